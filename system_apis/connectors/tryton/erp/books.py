"""What postings and invoices need of a ledger: journals, accounts, periods, taxes, the projects that take postings.

What only has an id is known for a while; what has a state is asked each time. Whether a period is open is asked of
nobody: Tryton refuses what falls into a closed one, and has the last word anyway.
"""

from collections.abc import Collection, Mapping
from datetime import date
from functools import partial
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code
from system_apis.connectors.tryton import wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.erp.wire import (
    GL_ACCOUNT,
    OWNER,
    PERIOD,
    PRODUCT,
    TAX,
    Currency,
    GlAccount,
    Owner,
    Period,
    Product,
    Tax,
)
from system_apis.connectors.tryton.records import following, page, record_ids, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import ANY_STATE, Domain

JOURNAL: Final = "account.journal"
SOLD: Final = ["OR", ["group", "=", None], ["group.kind", "in", ["sale", "both"]]]
"""Taxes that customers are charged."""
EARLIEST_FIRST: Final = [["start_date", "ASC"], ["id", "ASC"]]


class Books:
    """The set-up of one ledger, as far as something is posted in it."""

    def __init__(self, client: TrytonClient, settings: Settings) -> None:
        self._client, self._settings, self._known = client, settings, client.known

    async def journal(self, code: str) -> int:
        """Return the id of the journal."""
        return await self._known.get("journal", code, partial(self._journal, code))

    async def _journal(self, code: str) -> int:
        found = await self._client.ids(JOURNAL, [["code", "=", code]])
        if len(found) != 1:
            detail = f"Tryton has no journal {code}, or several. Have finance make one, of the type General."
            raise Refused(Code.mapping_missing, detail)
        return found[0]

    async def currency(self, company: int) -> Currency:
        """Return what the company keeps its books in."""
        ask = partial(self._client.search, "company.company", [["id", "=", company]], Owner, OWNER)
        (owner,) = await self._known.get("books of", str(company), ask)
        return owner.currency

    async def account(self, code: str, company: int, pointer: str) -> GlAccount:
        """Return the account, which takes lines without a party."""
        account = await self._known.get("account", code, partial(self._account, code, company, pointer))
        if account.party_required:
            detail = f"Account {code} wants a party on each line. Map one that does not."
            raise refused(Code.gl_mapping_missing, pointer, detail)
        return account

    async def _account(self, code: str, company: int, pointer: str) -> GlAccount:
        domain: Domain = [["code", "=", code], ["company", "=", company], ["closed", "!=", True], ["type", "!=", None]]
        found = await self._client.search("account.account", domain, GlAccount, GL_ACCOUNT, limit=2)
        if len(found) != 1:
            detail = f"Tryton has no account {code} that takes postings, or several. Correct the mapping."
            raise refused(Code.gl_mapping_missing, pointer, detail)
        return found[0]

    async def tax(self, name: str, company: int, pointer: str) -> int:
        """Return the id of the tax, which is called by its name."""
        return await self._known.get("tax", name, partial(self._tax, name, company, pointer))

    async def _tax(self, name: str, company: int, pointer: str) -> int:
        found = await self._client.ids("account.tax", [["name", "=", name], *charged_by(company)])
        if len(found) != 1:
            detail = f"Tryton has no tax {name!r} that customers are charged, or several."
            raise refused(Code.tax_code_missing, pointer, detail)
        return found[0]

    async def period(self, day: date, company: int, pointer: str) -> int:
        """Return the id of the period that the day falls into, whatever its state."""
        return await self._known.get("period", day.isoformat(), partial(self._period, day, company, pointer))

    async def _period(self, day: date, company: int, pointer: str) -> int:
        found = await self._client.ids("account.period", [*periods_of(company), *falling_on(day)])
        if not found:
            detail = f"Tryton has no period for {day}. Have finance make the fiscal year."
            raise refused(Code.period_not_open_yet, pointer, detail)
        return found[0]

    async def projects(self, project_ids: Collection[str], company: int) -> Mapping[str, wire.Account]:
        """Return the projects that there are, by id, whatever their state; Tryton lets closed ones be posted to."""
        domain: Domain = [
            ["id", "in", record_ids(list(project_ids))],
            ["root.code", "=", self._settings.analytic_root],
            ["type", "=", "normal"],
            ["company", "=", company],
            ANY_STATE,
        ]
        found = await self._client.search("analytic_account.account", domain, wire.Account, wire.ACCOUNT)
        return {str(account.id): account for account in found}

    async def periods(
        self, company: int, on: date | None, after: str | None, limit: int
    ) -> tuple[list[Period], str | None]:
        """Return a page of the company's periods, the earliest first, and where the next one starts."""
        domain: Domain = [*periods_of(company), *([] if on is None else falling_on(on))]
        if after:
            domain.append(["start_date", ">", date.fromisoformat(after)])  # Periods of one kind do not overlap.
        found = await self._client.search(
            "account.period", domain, Period, PERIOD, limit=limit + 1, order=EARLIEST_FIRST
        )
        shown = found[:limit]
        return shown, shown[-1].start_date.isoformat() if found[limit:] else None

    async def products(self, code: str | None, after: str | None, limit: int) -> tuple[list[Product], str | None]:
        """Return a page of what is sold, the oldest first, and where the next one starts."""
        domain: Domain = [ANY_STATE, *following(after), *([] if code is None else [["code", "=", code]])]
        found = await self._client.search("product.product", domain, Product, PRODUCT, limit=limit + 1)
        shown, next_after = page(found, limit)
        return list(shown), next_after

    async def taxes(self, company: int, after: str | None, limit: int) -> tuple[list[Tax], str | None]:
        """Return a page of the taxes that customers are charged, the oldest first, and where the next one starts."""
        domain: Domain = [*charged_by(company), ANY_STATE, *following(after)]
        found = await self._client.search("account.tax", domain, Tax, TAX, limit=limit + 1)
        shown, next_after = page(found, limit)
        return list(shown), next_after


def taking(projects: Mapping[str, wire.Account], project_id: str, pointer: str) -> wire.Account:
    """Return the project, which is there and takes postings."""
    if project_id not in projects:
        raise refused(Code.project_not_in_erp, pointer, "Tryton has no such project.")
    project = projects[project_id]
    if project.state != "opened" or not project.active:
        raise refused(Code.project_not_active, pointer, f"Project {project.code} takes no postings. Activate it first.")
    return project


def charged_by(company: int) -> Domain:
    """Return what finds the taxes that the company charges; a part of another tax is none."""
    return [["company", "=", company], ["parent", "=", None], SOLD]


def periods_of(company: int) -> Domain:
    """Return what finds the company's periods; those of adjustment stand beside them."""
    return [["company", "=", company], ["type", "=", "standard"]]


def falling_on(day: date) -> Domain:
    """Return what finds the period of a day."""
    return [["start_date", "<=", day], ["end_date", ">=", day]]
