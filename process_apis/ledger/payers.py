"""Who pays: the accounts among which a contract is split, as canonical customers."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused
from openapi.common.types import Code
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.customers import tb_customer
from process_apis.ledger.projects import tb_project


class Payer(Struct, frozen=True, kw_only=True):
    """One that pays a part of a contract."""

    customer: str
    account: str
    name: str
    country: str
    percent: Decimal


async def payers_of(connection: AsyncConnection, contract: SignedContract) -> list[Payer]:
    """Return who pays which part, the contract's own customer where it is not split.

    Raises Refused(contract_split_mismatch) where an account of a split is no customer yet.
    """
    shares = {split.account: Decimal(split.percent) for split in contract.splits}
    crm = select(tb_project.c.crm).where(tb_project.c.id == contract.project).scalar_subquery()
    asked = select(tb_customer).where(tb_customer.c.crm == crm, tb_customer.c.account.in_(sorted(shares)))
    if not shares:
        asked, shares = select(tb_customer).where(tb_customer.c.id == contract.customer), {}
    rows = (await connection.execute(asked.order_by(tb_customer.c.account))).all()
    _refuse_unknown(sorted(set(shares) - {row.account for row in rows}))
    return [
        Payer(
            customer=row.id,
            account=row.account,
            name=row.name,
            country=row.country,
            percent=shares.get(row.account, Decimal(100)),
        )
        for row in rows
    ]


def _refuse_unknown(accounts: Sequence[str]) -> None:
    if accounts:
        detail = f"No customer is known for the account {', '.join(accounts)}. Onboard it, then try again."
        raise Refused(Code.contract_split_mismatch, detail)
