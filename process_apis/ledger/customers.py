"""Canonical customers: one for each account of a CRM, whichever systems know it."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Column, String, Table, UniqueConstraint, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

ACTIVE: Final = "active"
PENDING: Final = "pending_validation"
INACTIVE: Final = "inactive"

tb_customer = Table(
    "tb_customer",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("crm", String(40), nullable=False),
    Column("account", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("legal_name", String(200), nullable=False),
    Column("country", String(2), nullable=False),
    Column("tax_id", String(30)),
    Column("state", String(20), nullable=False),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("crm", "account", name="uq_tb_customer_account"),
)


class Customer(Struct, frozen=True, kw_only=True):
    """A customer as every process knows it."""

    id: str
    crm: str
    account: str
    name: str
    legal_name: str
    country: str
    tax_id: str | None
    state: str


class NewCustomer(Struct, frozen=True, kw_only=True):
    """A customer as a statement of work tells it."""

    crm: str
    account: str
    name: str
    legal_name: str
    country: str
    tax_id: str | None


async def find_customer(store: Store, caller: Caller, crm: str, account: str) -> Customer | None:
    """Return the customer of the account, or None where there is none that the caller may see."""
    mine = (tb_customer.c.crm == crm) & (tb_customer.c.account == account)
    async with store.begin() as connection:
        row = (await connection.execute(select(tb_customer).where(mine))).mappings().one_or_none()
    customer = Customer(**{name: row[name] for name in Customer.__struct_fields__}) if row else None
    return customer if customer and caller.may_see(customer=customer.id) else None


async def names_of(store: Store, customer_ids: Sequence[str]) -> dict[str, str]:
    """Return the name of each customer by its id; for objects that the caller may see."""
    asked = select(tb_customer.c.id, tb_customer.c.name).where(tb_customer.c.id.in_(sorted(set(customer_ids))))
    async with store.begin() as connection:
        return {row.id: row.name for row in await connection.execute(asked)}


async def ensure_customer(connection: AsyncConnection, store: Store, new: NewCustomer) -> str:
    """Return the id of the account's customer, made now or earlier."""
    now = store.now()
    values = {name: getattr(new, name) for name in NewCustomer.__struct_fields__}
    values |= {"id": new_id("cus", now), "state": PENDING, "created_at": now, "updated_at": now}
    await connection.execute(insert_into(connection, tb_customer).values(**values).on_conflict_do_nothing())
    mine = (tb_customer.c.crm == new.crm) & (tb_customer.c.account == new.account)
    return str((await connection.execute(select(tb_customer.c.id).where(mine))).scalar_one())


async def mark_customer(store: Store, customer_id: str, state: str) -> None:
    """Record where the customer is."""
    moving = update(tb_customer).where(tb_customer.c.id == customer_id)
    async with store.begin() as connection:
        await connection.execute(moving.values(state=state, updated_at=store.now()))
