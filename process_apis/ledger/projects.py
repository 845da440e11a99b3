"""Canonical projects: one for each opportunity that was won, whichever systems know it."""

from datetime import date
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Integer,
    RowMapping,
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
from gateway.store.instant import Instant
from process_apis.ledger.rows import insert_new, new_id

DRAFT: Final = "draft"
ONBOARDING: Final = "onboarding"
ACTIVE: Final = "active"
CANCELLED: Final = "cancelled"

tb_project = Table(
    "tb_project",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("crm", String(40), nullable=False),
    Column("opportunity", String(200), nullable=False),
    Column("legal_entity", String(20), nullable=False),
    Column("customer_id", String(40), ForeignKey("tb_customer.id"), nullable=False),
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
    customer_id: str
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
    def of(cls, row: RowMapping) -> Self:
        """Return the project that a row holds."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})


def visible(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that lets through what the caller may see."""
    owners = {"legal_entity": caller.legal_entities, "customer_id": caller.customers, "id": caller.projects}
    return and_(true(), *(tb_project.c[name].in_(claim) for name, claim in owners.items() if claim != "*"))


async def find_project(store: Store, caller: Caller, project_id: str) -> Project | None:
    """Return the project, or None where there is none that the caller may see."""
    return await _one(store, caller, tb_project.c.id == project_id)


async def find_project_of(store: Store, caller: Caller, crm: str, opportunity: str) -> Project | None:
    """Return the project of the opportunity, or None where there is none that the caller may see."""
    return await _one(store, caller, (tb_project.c.crm == crm) & (tb_project.c.opportunity == opportunity))


async def list_projects(
    store: Store, caller: Caller, *, code: str | None = None, after: str | None = None, limit: int = 20
) -> list[Project]:
    """Return projects that the caller may see, the newest first, with one more than `limit` where there are more."""
    wanted = visible(caller)
    if code is not None:
        wanted &= tb_project.c.code == code
    if after is not None:
        wanted &= tb_project.c.id < after
    asked = select(tb_project).where(wanted).order_by(tb_project.c.id.desc()).limit(limit + 1)
    async with store.begin() as connection:
        return [Project.of(row) for row in (await connection.execute(asked)).mappings()]


async def ensure_project(connection: AsyncConnection, store: Store, terms: Terms) -> str:
    """Return the id of the opportunity's project, made now or earlier."""
    now = store.now()
    values = _values(terms) | {"id": new_id("prj", now), "state": DRAFT, "created_at": now, "updated_at": now}
    await connection.execute(insert_new(connection, tb_project).values(**values).on_conflict_do_nothing())
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
        row = (await connection.execute(select(tb_project).where(visible(caller), which))).mappings().one_or_none()
    return Project.of(row) if row else None


def _values(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in Terms.__struct_fields__}
