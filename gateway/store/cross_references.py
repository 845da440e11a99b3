"""By which id another system knows our object: one live reference for each external id and role.

What is proposed counts too: who was first has the external object, and learns of nobody else after its pivot.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, structs
from sqlalchemy import Column, Index, Row, String, Table, Text, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from gateway.store.visible import matching, seen_by
from openapi.common.types import Code

tb_cross_reference = Table(
    "tb_cross_reference",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("canonical_id", String(40), nullable=False),
    Column("object_type", String(40), nullable=False),
    Column("system", String(40), nullable=False),
    Column("instance", String(40), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("external_number", String(200)),
    Column("role", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("established_by", String(20), nullable=False),
    Column("evidence", Text),
    Column("process_id", String(40)),
    Column("legal_entity", String(40)),
    Column("customer", String(40)),
    Column("project", String(40)),
    Column("valid_from", Instant(), nullable=False),
    Column("valid_to", Instant()),
    Index(
        "uq_tb_cross_reference_live",
        "system",
        "instance",
        "object_type",
        "external_id",
        "role",
        unique=True,
        sqlite_where=text("state IN ('active', 'proposed')"),
        postgresql_where=text("state IN ('active', 'proposed')"),
    ),
    Index("ix_tb_cross_reference_canonical_id", "canonical_id"),
    Index("ix_tb_cross_reference_external_id", "instance", "external_id"),
)


class ReferenceState(StrEnum):
    """Whether it counts."""

    proposed = "proposed"
    active = "active"
    conflicted = "conflicted"
    superseded = "superseded"
    merged = "merged"
    retired = "retired"


class Role(StrEnum):
    """What the external object is to ours."""

    primary = "primary"
    consolidated_into = "consolidated_into"
    intercompany_mirror = "intercompany_mirror"
    legacy = "legacy"


class EstablishedBy(StrEnum):
    """How it is known."""

    write = "write"
    probe = "probe"
    bulk_import = "import"
    manual = "manual"
    match = "match"


class NewReference(Struct, frozen=True, kw_only=True):
    """What is to be known. `system` is the vendor, `instance` the connection."""

    canonical_id: str
    object_type: str
    system: str
    instance: str
    external_id: str
    external_number: str | None = None
    role: Role = Role.primary
    state: ReferenceState = ReferenceState.active
    established_by: EstablishedBy = EstablishedBy.write
    evidence: str | None = None
    process_id: str | None = None
    legal_entity: str | None = None
    customer: str | None = None
    project: str | None = None


class CrossReference(NewReference, frozen=True, kw_only=True):
    """What is known, since when, until when."""

    id: str
    valid_from: datetime
    valid_to: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the reference that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        typed = {"role": Role(row.role), "state": ReferenceState(row.state)}
        return cls(**(values | typed | {"established_by": EstablishedBy(row.established_by)}))


_IDENTITY: Final = ("canonical_id", "object_type", "system", "instance", "external_id", "role")


async def establish(store: Store, new: NewReference) -> CrossReference:
    """Return the reference, written now or earlier in the same state. Repeating it changes nothing.

    Raises Refused(upstream_conflict_stale) where the external object is another object's of ours.
    """
    row = structs.asdict(new) | {"id": new_id("xrf", store.now()), "valid_from": store.now(), "valid_to": None}
    same = matching(tb_cross_reference, **{name: row[name] for name in _IDENTITY}, state=new.state.value)
    try:
        async with store.begin() as connection:
            found = (await connection.execute(select(tb_cross_reference).where(same))).one_or_none()
            if found is None:
                inserting = insert(tb_cross_reference).values(row).returning(tb_cross_reference)
                found = (await connection.execute(inserting)).one()
            return CrossReference.of(found)
    except IntegrityError as error:
        detail = f"{new.object_type} {new.external_id} of {new.instance} is linked to another one of ours."
        raise Refused(Code.upstream_conflict_stale, detail) from error


async def retire(store: Store, canonical_id: str, instance: str) -> None:
    """End what is active or proposed of our object in a connection; it stays as history."""
    live = matching(
        tb_cross_reference,
        canonical_id=canonical_id,
        instance=instance,
        state=[ReferenceState.active.value, ReferenceState.proposed.value],
    )
    ending = update(tb_cross_reference).where(live)
    async with store.begin() as connection:
        await connection.execute(ending.values(state=ReferenceState.retired.value, valid_to=store.now()))


async def promote(store: Store, canonical_id: str) -> None:
    """Make every proposed reference of our object active."""
    proposed = matching(tb_cross_reference, canonical_id=canonical_id, state=ReferenceState.proposed.value)
    promoting = update(tb_cross_reference).where(proposed).values(state=ReferenceState.active.value)
    async with store.begin() as connection:
        await connection.execute(promoting)


async def list_all(
    store: Store,
    caller: Caller,
    *,
    canonical_id: str | list[str] | None = None,
    object_type: str | None = None,
    instance: str | None = None,
    external_id: str | None = None,
    state: ReferenceState | None = ReferenceState.active,
) -> list[CrossReference]:
    """Return the references that the caller may see, the oldest first. An external id needs its connection."""
    wanted = matching(
        tb_cross_reference,
        canonical_id=canonical_id,
        object_type=object_type,
        instance=instance,
        external_id=external_id,
        state=state.value if state else None,
    )
    asked = select(tb_cross_reference).where(wanted, seen_by(caller, tb_cross_reference))
    async with store.begin() as connection:
        rows = (await connection.execute(asked.order_by(tb_cross_reference.c.id))).all()
    return [CrossReference.of(row) for row in rows]
