"""Facts ↔ moves of two lines in a journal of our own. Pure.

The key is the move's description. The line on the document's debit account is made first: whether it is debited says
whether the net is above zero, also where a reversal and a release look alike.
"""

from decimal import Decimal

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code, Money
from openapi.decimals import text_of
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction, TransactionState
from system_apis.connectors.tryton.erp.wire import Currency, GlAccount, Move, MoveLine
from system_apis.connectors.tryton.records import entity_of, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Values

NIL = Decimal(0)


class Place(Struct, frozen=True, kw_only=True):
    """Where a fact is posted: Tryton's ids for what the document names."""

    journal: int
    period: int
    debit: GlAccount
    credit: GlAccount
    project: int
    reversed: int | None = None
    """The move that it reverses."""


def net_of(money: Money, currency: Currency, pointer: str) -> Decimal:
    """Return an amount that the books can hold as it is: in their currency, and no finer than it."""
    if money.currency != currency.code:
        detail = f"These books are kept in {currency.code}."
        raise refused(Code.currency_mismatch, f"{pointer}/currency", detail)
    net = Decimal(money.amount)
    if net != round(net, currency.digits):
        detail = f"{currency.code} has {currency.digits} decimals."
        raise refused(Code.money_scale_exceeded, f"{pointer}/amount", detail)
    return net


def check_accounts(debit: GlAccount, credit: GlAccount) -> None:
    """Raise where the project could not be told from the move: exactly one line is of income or expense."""
    if debit.carries_projects == credit.carries_projects:
        detail = "One of the two accounts has to be of income or expense, which carries the project, the other not."
        raise refused(Code.gl_mapping_missing, "#/debit_account", detail)


def from_new_transaction(new: NewBillableTransaction, net: Decimal, place: Place) -> Values:
    """Return the values of a move. Tryton would take negative debits: a negative net swaps the sides instead."""
    debited, credited = max(net, NIL), max(-net, NIL)
    values: Values = {
        "journal": place.journal,
        "period": place.period,
        "date": new.date,
        "description": new.business_key,
        "lines": [
            [
                "create",
                [
                    _line(new, place.debit, debited, credited, place.project),
                    _line(new, place.credit, credited, debited, place.project),
                ],
            ]
        ],
    }
    if place.reversed is not None:
        values["origin"] = f"account.move,{place.reversed}"
    return values


def _line(new: NewBillableTransaction, account: GlAccount, debit: Decimal, credit: Decimal, project: int) -> Values:
    sums = {"debit": debit, "credit": credit}
    line: Values = {"account": account.id, **sums, "description": new.description}
    if account.carries_projects:
        line["analytic_lines"] = [["create", [{"account": project, **sums, "date": new.date}]]]
    return line


def same(move: Move, new: NewBillableTransaction, net: Decimal, place: Place) -> bool:
    """Tell whether a draft is what would be made now, balanced: on SQLite Tryton posts moves that are not."""
    sides = (max(net, NIL), max(-net, NIL))
    wanted = [
        (account.id, *pair, [place.project] if account.carries_projects else [])
        for account, pair in ((place.debit, sides), (place.credit, sides[::-1]))
    ]
    found = [
        (line.account, line.debit, line.credit, [one.account for one in line.analytic_lines]) for line in _lines(move)
    ]
    return move.date == new.date and found == wanted and all(line.state == "valid" for line in move.lines)


def to_transaction(move: Move, settings: Settings) -> BillableTransaction:
    """Return the canonical posting."""
    currency, lines = move.company.currency, _lines(move)
    if not lines or move.description is None:
        raise Refused(Code.upstream_conflict_stale, "A move of ours has lost its lines. Have it looked at in Tryton.")
    projects = [analytic.account for line in lines for analytic in line.analytic_lines]
    net = lines[0].debit - lines[0].credit
    return BillableTransaction(
        id=str(move.id),
        version=move.stamp,
        business_key=move.description,
        legal_entity=entity_of(move.company.id, settings),
        project_id=str(projects[0]) if projects else None,
        date=move.date,
        net=Money(amount=text_of(net, currency.digits), currency=currency.code),
        number=move.number if move.state == "posted" else None,
        state=TransactionState.posted if move.state == "posted" else TransactionState.draft,
        references=[],
    )


def _lines(move: Move) -> list[MoveLine]:
    """Return the lines in the order in which they were made; Tryton answers them in any."""
    return sorted(move.lines, key=lambda line: line.id)
