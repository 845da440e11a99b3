"""Project codes: one project has a code, whoever proposed it, from the moment it is reserved and for ever after."""

import re
from typing import Final

from sqlalchemy import Column, String, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

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


def code_of(pattern: str, number: int) -> str:
    """Return the code that an entity's pattern gives a number: `P-{number:04}` and 42 are `P-0042`."""
    return _NUMBER.sub(lambda match: f"{number:0{match[1] or 1}}", pattern, count=1)


async def reserve_code(store: Store, code: str, project_id: str) -> bool:
    """Tell whether the code is the project's now; it is not where another one has it, or had it."""
    row = {"folded": code.casefold(), "code": code, "project_id": project_id, "reserved_at": store.now()}
    async with store.begin() as connection:
        await connection.execute(insert_into(connection, tb_project_code).values(**row).on_conflict_do_nothing())
        return await _owner(connection, code) == project_id


async def release_code(store: Store, code: str, project_id: str) -> None:
    """Give a code back that no system has seen."""
    mine = (tb_project_code.c.folded == code.casefold()) & (tb_project_code.c.project_id == project_id)
    async with store.begin() as connection:
        await connection.execute(delete(tb_project_code).where(mine))


async def owner_of(store: Store, code: str) -> str | None:
    """Return the project that has the code, or had it."""
    async with store.begin() as connection:
        return await _owner(connection, code)


async def kept_code(store: Store, project_id: str) -> str | None:
    """Return the code that the project has from an earlier attempt."""
    asked = select(tb_project_code.c.code).where(tb_project_code.c.project_id == project_id)
    async with store.begin() as connection:
        code: str | None = (await connection.execute(asked.order_by(tb_project_code.c.reserved_at.desc()))).scalar()
    return code


async def _owner(connection: AsyncConnection, code: str) -> str | None:
    asked = select(tb_project_code.c.project_id).where(tb_project_code.c.folded == code.casefold())
    owner: str | None = (await connection.execute(asked)).scalar()
    return owner
