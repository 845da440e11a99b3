"""Project codes: one is reserved while it is looked at, and given once. What was given stays, whoever else wants it."""

import re
from typing import Final

from sqlalchemy import Column, String, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from process_apis.ledger.projects import tb_project

SEQUENCE: Final = "project_code"
"""The installation's numbers; a pattern makes codes of them."""
_NUMBER: Final = re.compile(r"\{number(?::0(\d))?\}")

tb_project_code = Table(
    "tb_project_code",
    metadata,
    Column("folded", String(40), primary_key=True),  # Systems differ in whether the case counts; for us it does not.
    Column("code", String(40), nullable=False),
    Column("project_id", String(40), nullable=False, index=True),
    Column("reserved_at", Instant(), nullable=False),
)
_COLUMNS: Final = tb_project_code.c


def code_of(pattern: str, number: int) -> str:
    """Return the code that an entity's pattern gives a number: `P-{number:04}` and 42 are `P-0042`."""
    return _NUMBER.sub(lambda match: f"{number:0{match[1] or 1}}", pattern, count=1)


async def reserve_code(store: Store, code: str, project_id: str) -> bool:
    """Tell whether the code is the project's to look at: no other one has it, or looks at it.

    It keeps a number for the next try of its project. It keeps nobody from being given the code.
    """
    row = {"folded": code.casefold(), "code": code, "project_id": project_id, "reserved_at": store.now()}
    reserved = select(_COLUMNS.project_id).where(_COLUMNS.folded == code.casefold())
    async with store.begin() as connection:
        await connection.execute(insert_into(connection, tb_project_code).values(**row).on_conflict_do_nothing())
        return bool((await connection.execute(reserved)).scalar_one() == project_id)


async def give_code(store: Store, code: str, project_id: str) -> bool:
    """Tell whether the code is the project's from now on, and no other one is; it is not where another was given it."""
    folded, now = code.casefold(), store.now()
    row = {"folded": folded, "code": code, "project_id": project_id, "reserved_at": now}
    concerned = select(_COLUMNS.folded).where((_COLUMNS.folded == folded) | (_COLUMNS.project_id == project_id))
    async with store.begin() as connection:
        # All rows in one order: two who exchange their codes do not wait for each other.
        await connection.execute(concerned.order_by(_COLUMNS.folded).with_for_update())
        # Whoever gives it at the same time waits here, and reads below to whom it was given.
        met = insert_into(connection, tb_project_code).values(**row)
        await connection.execute(met.on_conflict_do_update(index_elements=["folded"], set_={"folded": folded}))
        if await _owner(connection, folded) not in {None, project_id}:
            return False
        await connection.execute(update(tb_project_code).where(_COLUMNS.folded == folded).values(**row))
        others = (_COLUMNS.project_id == project_id) & (_COLUMNS.folded != folded)
        await connection.execute(delete(tb_project_code).where(others))
        changed = {"code": code, "updated_at": now}
        await connection.execute(update(tb_project).where(tb_project.c.id == project_id).values(**changed))
    return True


async def release_code(store: Store, code: str, project_id: str) -> None:
    """Give a code back that no system has seen."""
    await _release(store, project_id, _COLUMNS.folded == code.casefold())


async def release_codes(store: Store, project_id: str, but: str = "") -> None:
    """Give back all that the project has, given or only looked at, but the code that a system has seen."""
    await _release(store, project_id, _COLUMNS.folded != but.casefold())


async def _release(store: Store, project_id: str, which: ColumnElement[bool]) -> None:
    released = delete(tb_project_code).where(_COLUMNS.project_id == project_id, which).returning(_COLUMNS.code)
    async with store.begin() as connection:
        given = (await connection.execute(released)).scalars().all()
        losing = update(tb_project).where(tb_project.c.id == project_id, tb_project.c.code.in_(given))
        await connection.execute(losing.values(code=None, updated_at=store.now()))


async def owner_of(store: Store, code: str) -> str | None:
    """Return the project that was given the code; whoever only looks at it is no owner."""
    async with store.begin() as connection:
        return await _owner(connection, code.casefold())


async def kept_code(store: Store, project_id: str) -> str | None:
    """Return the code that the project has from an earlier attempt, or that one was looking at."""
    asked = select(tb_project_code.c.code).where(tb_project_code.c.project_id == project_id)
    async with store.begin() as connection:
        code: str | None = (await connection.execute(asked.order_by(tb_project_code.c.reserved_at.desc()))).scalar()
    return code


async def _owner(connection: AsyncConnection, folded: str) -> str | None:
    asked = select(tb_project.c.id, tb_project.c.code).join(tb_project_code, _COLUMNS.project_id == tb_project.c.id)
    row = (await connection.execute(asked.where(_COLUMNS.folded == folded))).one_or_none()
    return row.id if row and (row.code or "").casefold() == folded else None
