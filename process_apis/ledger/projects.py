"""Canonical projects: one for each opportunity that was won, whichever systems know it."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    and_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching, seen_by

DRAFT: Final = "draft"
ONBOARDING: Final = "onboarding"
ACTIVE: Final = "active"
CANCELLED: Final = "cancelled"
LIVE: Final = (ONBOARDING, ACTIVE, "on_hold", "completed", "closed")
"""In these somebody may still need the project's customer."""

tb_project = Table(
    "tb_project",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("crm", String(40), nullable=False),
    Column("opportunity", String(200), nullable=False),
    Column("legal_entity", String(20), nullable=False),
    Column("customer", String(40), ForeignKey("tb_customer.id"), nullable=False, index=True),
    Column("code", String(40), index=True),
    Column("name", String(200), nullable=False),
    Column("project_type", String(40), nullable=False),
    Column("template", String(40), nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    Column("manager", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("onboarding_id", String(40)),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("crm", "opportunity", name="uq_tb_project_opportunity"),
)


class Terms(Struct, frozen=True, kw_only=True):
    """A project as a statement of work tells it."""

    crm: str
    opportunity: str
    legal_entity: str
    customer: str
    name: str
    project_type: str
    template: str
    template_version: int
    starts_on: date
    ends_on: date
    manager: str


class Project(Terms, frozen=True, kw_only=True):
    """A project as every process knows it."""

    id: str
    code: str | None
    state: str
    onboarding_id: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the project that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


def visible(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that lets through what the caller may see; here the project is the row itself."""
    own = true() if caller.projects == "*" else tb_project.c.id.in_(sorted(caller.projects))
    return and_(seen_by(caller, tb_project), own)


async def find_project(store: Store, caller: Caller, project_id: str) -> Project | None:
    """Return the project, or None where there is none that the caller may see."""
    return await _one(store, caller, tb_project.c.id == project_id)


async def find_project_of(store: Store, caller: Caller, crm: str, opportunity: str) -> Project | None:
    """Return the project of the opportunity, or None where there is none that the caller may see."""
    return await _one(store, caller, (tb_project.c.crm == crm) & (tb_project.c.opportunity == opportunity))


async def projects_by_id(store: Store, caller: Caller, project_ids: Sequence[str]) -> dict[str, Project]:
    """Return those of the projects that the caller may see, by their ids."""
    asked = select(tb_project).where(visible(caller), tb_project.c.id.in_(project_ids))
    async with store.begin() as connection:
        return {row.id: Project.of(row) for row in await connection.execute(asked)}


async def projects_of_customers(store: Store, caller: Caller, customers: Sequence[str]) -> list[Project]:
    """Return the customers' projects that the caller may see, the oldest first."""
    asked = select(tb_project).where(visible(caller), tb_project.c.customer.in_(customers)).order_by(tb_project.c.id)
    async with store.begin() as connection:
        return [Project.of(row) for row in await connection.execute(asked)]


async def list_projects(store: Store, caller: Caller, window: Window, *, code: str | None = None) -> Listed[Project]:
    """Return the projects that the caller may see, the newest first."""
    wanted = and_(visible(caller), matching(tb_project, code=code))
    async with store.begin() as connection:
        return await page(connection, tb_project, caller, wanted, window, Project.of)


async def ensure_project(connection: AsyncConnection, store: Store, terms: Terms) -> str:
    """Return the id of the opportunity's project, made now or earlier."""
    now = store.now()
    values = _values(terms) | {"id": new_id("prj", now), "state": DRAFT, "created_at": now, "updated_at": now}
    await connection.execute(insert_into(connection, tb_project).values(**values).on_conflict_do_nothing())
    mine = (tb_project.c.crm == terms.crm) & (tb_project.c.opportunity == terms.opportunity)
    return str((await connection.execute(select(tb_project.c.id).where(mine))).scalar_one())


async def begin_onboarding(store: Store, project_id: str, onboarding_id: str, terms: Terms) -> None:
    """Record that the onboarding has the project under way, with its terms."""
    await change_project(store, project_id, state=ONBOARDING, onboarding_id=onboarding_id, **_values(terms))


async def change_project(store: Store, project_id: str, **values: object) -> None:
    """Record what is new of a project."""
    changing = update(tb_project).where(tb_project.c.id == project_id)
    async with store.begin() as connection:
        await connection.execute(changing.values(**values, updated_at=store.now()))


async def _one(store: Store, caller: Caller, which: ColumnElement[bool]) -> Project | None:
    async with store.begin() as connection:
        row = (await connection.execute(select(tb_project).where(visible(caller), which))).one_or_none()
    return Project.of(row) if row else None


def _values(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in Terms.__struct_fields__}
