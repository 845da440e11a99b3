"""What finance has set up in a ledger: countries, payment terms, companies, and what projects stand below."""

from collections.abc import Collection
from functools import partial
from typing import Final

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Code
from system_apis.connectors.tryton import wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.records import refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Domain

ACCOUNT: Final = "analytic_account.account"


class _Belonging(Struct, frozen=True):
    """An employee or a company, as far as it says which party it is."""

    party: int


class LedgerSetup:
    """The set-up of one database. What only has an id is known for a while; what has a state is asked each time."""

    def __init__(self, client: TrytonClient, settings: Settings) -> None:
        self._client, self._settings, self._known = client, settings, client.known

    async def country(self, code: str) -> int:
        """Return Tryton's country."""
        return await self._known.get("country", code, partial(self._country, code))

    async def _country(self, code: str) -> int:
        found = await self._client.ids("country.country", [["code", "=", code]])
        if not found:
            detail = f"Tryton's list of countries lacks {code}. Have it added there."
            raise refused(Code.mapping_missing, "#/billing_address/country", detail)
        return found[0]

    async def term(self, ours: str) -> int:
        """Return Tryton's payment terms for our name of them."""
        return await self._known.get("payment term", ours, partial(self._term, ours))

    async def _term(self, ours: str) -> int:
        name = self._settings.payment_terms.get(ours)
        found = await self._client.ids("account.invoice.payment_term", [["name", "=", name]]) if name else []
        if len(found) != 1:
            detail = f"Give {ours} a row in the connection's `payment_terms`, with the name that Tryton has for it."
            raise refused(Code.mapping_missing, "#/payment_terms", detail)
        return found[0]

    async def staff(self, parties: list[int]) -> Collection[int]:
        """Return which of the parties are employees or companies of Tryton's own."""
        companies = await self._known.get("company", "", partial(self._belongings, "company.company", []))
        employees = await self._belongings("company.employee", [["party", "in", parties]])
        return {*companies, *employees}

    async def _belongings(self, model: str, domain: Domain) -> Collection[int]:
        return {each.party for each in await self._client.search(model, domain, _Belonging, ["party"])}

    async def parent(self, department: str | None, company: int) -> wire.Account:
        """Return what a new project stands below: its department, which finance has opened, or the root."""
        root = self._settings.analytic_root
        code = root if department is None else f"{self._settings.department_prefix}{department}"
        domain = [
            ["code", "=", code],
            ["company", "=", company],
            ["OR", ["root.code", "=", root], ["type", "=", "root"]],
        ]
        found = await self._client.search(ACCOUNT, domain, wire.Account, wire.ACCOUNT, limit=2)
        kind = "root" if department is None else "view"
        opened = [account for account in found if account.state == "opened" and account.type == kind]
        if len(opened) == 1:
            return opened[0]
        if department is None:
            raise Refused(Code.mapping_missing, f"Tryton has no opened analytic root {root}. Have finance make it.")
        detail = f"Tryton has no opened department {code}. Have finance open it, or name another one."
        raise refused(Code.dimension_invalid_combination, "#/dimensions/0", detail)
