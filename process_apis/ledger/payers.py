"""Who pays: the accounts among which a contract is split, as canonical customers."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.decimals import text_of
from process_apis.ledger.contracts import FundingSplit, SignedContract
from process_apis.ledger.customers import tb_customer
from process_apis.ledger.projects import tb_project

WHOLE: Final = Decimal(100)


class Payer(Struct, frozen=True, kw_only=True):
    """One that pays a part of a contract, or all of it."""

    customer: str
    account: str
    name: str
    country: str
    percent: Decimal

    @property
    def share(self) -> str | None:
        """Return the percentage as facts carry it; None where one pays all."""
        return None if self.percent == WHOLE else text_of(self.percent)


async def payers_of(connection: AsyncConnection, contract: SignedContract) -> list[Payer]:
    """Return who pays which part, the contract's own customer where it is not split.

    Raises Refused(contract_split_mismatch) where an account of a split is no customer yet.
    """
    payers = (await find_payers(connection, [contract]))[contract.id]
    unknown = ", ".join(split.account for split in unknown_of(contract, payers))
    if unknown:
        detail = f"No customer is known for the account {unknown}. Onboard it, then try again."
        raise Refused(Code.contract_split_mismatch, detail)
    return payers


async def asked_payers(connection: AsyncConnection, contract: SignedContract) -> list[Payer]:
    """Return whom a release asks for: who pays, as far as they are customers, or else the contract's own customer.

    That somebody who pays is no customer yet is told of each request, and keeps no other contract's from being made.
    """
    known = (await find_payers(connection, [contract]))[contract.id]
    own = select(tb_customer).where(tb_customer.c.id == contract.customer)
    return known or [_payer((await connection.execute(own)).one(), WHOLE)]


def unknown_of(contract: SignedContract, payers: Sequence[Payer]) -> list[FundingSplit]:
    """Return the parts of the contract that none of the payers pays: their accounts are no customers yet."""
    known = {payer.account for payer in payers}
    return [split for split in contract.splits if split.account not in known and Decimal(split.percent) > 0]


async def find_payers(connection: AsyncConnection, contracts: Sequence[SignedContract]) -> dict[str, list[Payer]]:
    """Return who pays which part of each contract, by its id, as far as they are customers; in two statements."""
    column, project = tb_customer.c, tb_project.c
    projects = select(project.id, project.crm).where(project.id.in_(sorted({one.project for one in contracts})))
    crms = {row.id: row.crm for row in await connection.execute(projects)}
    accounts = {split.account for contract in contracts for split in contract.splits}
    whole = column.id.in_(sorted({contract.customer for contract in contracts}))
    parts = column.crm.in_(sorted(set(crms.values()))) & column.account.in_(sorted(accounts))
    rows = (await connection.execute(select(tb_customer).where(whole | parts))).all()
    customers = {row.id: row for row in rows} | {(row.crm, row.account): row for row in rows}
    return {one.id: [*_payers(one, crms.get(one.project), customers)] for one in contracts}


def _payers(
    contract: SignedContract, crm: str | None, customers: Mapping[str | tuple[str, str], Row[Any]]
) -> Iterator[Payer]:
    if not contract.splits and contract.customer in customers:
        yield _payer(customers[contract.customer], WHOLE)
    for split in contract.splits:
        if crm and (crm, split.account) in customers:
            yield _payer(customers[crm, split.account], Decimal(split.percent))


def _payer(row: Row[Any], percent: Decimal) -> Payer:
    return Payer(customer=row.id, account=row.account, name=row.name, country=row.country, percent=percent)
