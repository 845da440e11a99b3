"""What the ledger has to have before the gateway works with it."""

from functools import partial
from typing import Final

from openapi.system.erp.v1 import Capabilities
from system_apis.connectors.tryton import examination, wire
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.erp.mapping import TAX_BASES
from system_apis.connectors.tryton.settings import Settings
from system_apis.ports import Finding

RIGHTS: Final = {
    "party.party": ("read", "write", "create"),
    "analytic_account.account": ("read", "write", "create"),
    "account.invoice": ("read", "write", "create"),
    "account.invoice.payment_term": ("read",),
    "account.move": ("read", "write", "create", "delete"),
    "product.product": ("read",),
    "country.country": ("read",),
}
GROUPS: Final = ("Party Administration", "Accounting", "Analytic Administration")


async def examine(client: TrytonClient, settings: Settings, capabilities: Capabilities) -> list[Finding]:
    """Return a finding for each thing that the ledger needs."""
    return [
        examination.environment(settings, capabilities.environment),
        *await examination.examined(
            {
                "server": partial(examination.server, client),
                "companies": partial(examination.companies, client, settings),
                "rights": partial(examination.rights, client, RIGHTS, GROUPS),
                "analytic root": partial(_analytic_root, client, settings),
                "payment terms": partial(_payment_terms, client, settings),
                "journals": partial(_journals, client, settings),
                "tax rounding": partial(_tax_rounding, client, settings),
            }
        ),
    ]


async def _analytic_root(client: TrytonClient, settings: Settings) -> Finding:
    root, prefix = settings.analytic_root, settings.department_prefix
    domain = [["OR", ["code", "=", root], ["root.code", "=", root]], ["type", "in", ["root", "view"]]]
    accounts = await client.search("analytic_account.account", domain, wire.Account, wire.ACCOUNT)
    opened = [account for account in accounts if account.state == "opened"]
    lacks = [
        f"an opened analytic root {root} of company {company}"
        for company in settings.companies.values()
        if not any(account.type == "root" and account.company == company for account in opened)
    ]
    departments = [(account.code or "").removeprefix(prefix) for account in opened if account.type == "view"]
    detail = f"{root} is opened, with the departments {', '.join(departments) or 'none'}."
    mend = f"Make an analytic account of type Root with the code {root} in Tryton, and open it."
    return examination.found("analytic root", detail, lacks=lacks, mend=mend)


async def _journals(client: TrytonClient, settings: Settings) -> Finding:
    facts, invoices = settings.facts_journal, settings.invoices_journal
    journals = await client.search("account.journal", [["code", "in", [facts, invoices]]], wire.Coded, ["code"])
    codes = [journal.code for journal in journals]
    lacks = [f"one journal {code}" for code in sorted({facts, invoices}) if codes.count(code) != 1]
    detail = f"Facts are posted in {facts}, invoices in {invoices}."
    mend = (
        f"Make a journal with the code {facts} of the type General in Tryton, and one with the code {invoices} of the "
        "type Revenue, or name others as `facts_journal` and `invoices_journal`."
    )
    return examination.found("journals", detail, lacks=lacks, mend=mend)


async def _payment_terms(client: TrytonClient, settings: Settings) -> Finding:
    names = sorted(settings.payment_terms.values())
    terms = await client.search("account.invoice.payment_term", [["name", "in", names]], wire.Named, ["name"])
    lacks = sorted(set(names) - {term.name for term in terms})
    mend = "Make these payment terms in Tryton, or correct `payment_terms` of the connection."
    return examination.found("payment terms", f"Mapped: {', '.join(names) or 'none'}.", lacks=lacks, mend=mend)


async def _tax_rounding(client: TrytonClient, settings: Settings) -> Finding:
    told = {entity: await client.tax_rounding(company) for entity, company in settings.companies.items()}
    detail = ", ".join(
        f"{entity} rounds {TAX_BASES[how]}, half to even" for entity, how in told.items() if how in TAX_BASES
    )
    lacks = [f"a row for the rounding {how!r} of {entity}" for entity, how in told.items() if how not in TAX_BASES]
    mend = "Set the tax rounding of Tryton's accounting configuration to per document or per line."
    return examination.found("tax rounding", f"{detail}.", lacks=lacks, mend=mend)
