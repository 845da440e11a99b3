"""Caps: how much of a contract line may be sold. What is committed never exceeds the cap, however many commit at once.

What a line without a cap sells is counted as well: it may be given one later, which what was sold before fills too.
Amounts stand in the currency's minor unit, so that the database itself can add and compare them exactly.
"""

from decimal import Decimal

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import metadata
from gateway.store.inserts import insert_into
from process_apis.ledger.money import PLACES

tb_cap = Table(
    "tb_cap",
    metadata,
    Column("contract", String(40), ForeignKey("tb_contract.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("cap_minor", BigInteger),
    Column("committed_minor", BigInteger, nullable=False),
)


async def commit_cap(
    connection: AsyncConnection, contract: str, line: int, cap: Decimal | None, amount: Decimal, currency: str
) -> bool:
    """Tell whether the amount fits under the cap, and is committed, in the caller's transaction.

    A negative amount gives back, and always fits; so does any where there is no cap. The cap may have changed since: it
    is the one given that counts.
    """
    here = (tb_cap.c.contract == contract) & (tb_cap.c.line == line)
    limit, more = None if cap is None else _minor(cap, currency), _minor(amount, currency)
    fits = [tb_cap.c.committed_minor + more <= limit] if more > 0 and limit is not None else []
    values = {"cap_minor": limit, "committed_minor": tb_cap.c.committed_minor + more}
    taking = update(tb_cap).where(here, *fits).values(**values)
    if (await connection.execute(taking)).rowcount == 1:
        return True
    # It does not fit, or nothing of the line was ever sold.
    first = {"contract": contract, "line": line, "currency": currency, "cap_minor": limit, "committed_minor": 0}
    await connection.execute(insert_into(connection, tb_cap).values(**first).on_conflict_do_nothing())
    return (await connection.execute(taking)).rowcount == 1


async def give_back(connection: AsyncConnection, contract: str, line: int, amount: Decimal, currency: str) -> None:
    """Take what was committed back, in the caller's transaction; a line that has sold nothing has nothing to give."""
    here = (tb_cap.c.contract == contract) & (tb_cap.c.line == line)
    left = tb_cap.c.committed_minor - _minor(amount, currency)
    await connection.execute(update(tb_cap).where(here).values(committed_minor=left))


async def committed(connection: AsyncConnection, contract: str, line: int) -> Decimal:
    """Return how much is committed of the line."""
    here = (tb_cap.c.contract == contract) & (tb_cap.c.line == line)
    row = (await connection.execute(select(tb_cap).where(here))).one_or_none()
    return Decimal(row.committed_minor).scaleb(-PLACES[row.currency]) if row else Decimal(0)


def _minor(amount: Decimal, currency: str) -> int:
    minor = amount.scaleb(PLACES[currency])
    if minor != int(minor):
        raise ValueError(f"{amount} {currency} has a part smaller than the minor unit.")
    return int(minor)
