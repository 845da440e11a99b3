"""`tiebeam check`: whether what the installation wrote down holds, by itself and against the connected systems."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from gateway import main
from gateway.composition.issuers import keys_of
from gateway.composition.ownership import owned_in
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.policies import policies_for
from gateway.egress.limits import Part
from gateway.errors import ApiError
from gateway.ownership import APIS
from gateway.policy.consumers import Consumers
from gateway.policy.plan import PolicySet
from gateway.private_files import open_to_others
from gateway.settings import Entity, Settings
from gateway.store.audit_verification import verify
from gateway.store.business_events import broken_events
from openapi.system.erp.v1 import TaxCode
from process_apis.ledger.mappings import Mappings
from system_apis.ports import Erp, Finding

SHOWN_BROKEN: Final = 5
SHOWN_OPEN: Final = 3


def check(settings: Settings, *, connections: bool, chains: bool = False) -> list[Finding]:
    """Return what was looked at.

    With `connections`, also what each connected system was asked; with `chains`, whether the chains hold.
    """
    try:
        installation = main.read(settings)
    except CannotStart as error:
        return [Finding(subject="policies, templates and mappings", holds=False, detail=str(error))]
    try:
        parts = main.parts(installation, Part.whole)
    except CannotStart as error:
        return [Finding(subject="connections", holds=False, detail=str(error))]
    return asyncio.run(_checked(parts, connections=connections, chains=chains))


async def _checked(parts: Parts, *, connections: bool, chains: bool) -> list[Finding]:
    installation = parts.installation
    found = [
        Finding(subject="settings", holds=True, detail=f"{len(installation.settings.connections)} connections."),
        Finding(subject="policies", holds=True, detail=f"{len(installation.rows)} rows."),
        Finding(subject="templates", holds=bool(installation.templates), detail=", ".join(installation.templates)),
        Finding(subject="mappings", holds=True, detail=f"The set {installation.mappings.digest[:12]}."),
    ]
    async with contextlib.aclosing(parts):
        try:
            policies = policies_for(parts, main.apis_of(parts))
        except CannotStart as error:
            return [*found, Finding(subject="contracts", holds=False, detail=str(error))]
        found.append(
            Finding(subject="contracts", holds=True, detail=f"{len(policies.plans)} operations, each with its plan.")
        )
        found.append(Finding(subject="consumers", holds=True, detail=_known(policies.consumers)))
        found.append(_reviews(parts, policies))
        found.append(_rights(installation.settings))
        found += await _keys_fetched(installation.settings)
        if chains:
            found += await _followed(parts)
        if connections:
            examined = {name: port.examine for name, port in parts.erps.items()}
            examined |= {name: port.examine for name, port in parts.psas.items()}
            for name, examine in examined.items():
                found += [_of_connection(name, one) for one in await _examined(examine)]
            for name, erp in parts.erps.items():
                entities = installation.settings.entities
                compared = partial(_entities_compared, erp, entities)
                found += [_of_connection(name, one) for one in await _examined(compared)]
                taxes = partial(_taxes_compared, erp, installation.mappings)
                found += [_of_connection(name, one) for one in await _examined(taxes)]
    return found


def _reviews(parts: Parts, policies: PolicySet) -> Finding:
    """Return what should have been looked at again by today: that keeps nobody from starting."""
    today = parts.store.now().date()
    owned = owned_in(parts, main.schedules_of(parts))
    late = [f"{thing.kind} {thing.name}" for thing in owned if thing.overdue(today)]
    late += [f"{APIS} {contract}" for contract, version in policies.lifecycle.items() if version.review_on < today]
    things = len(owned) + len(policies.lifecycle)
    said = f"The review is overdue of {', '.join(sorted(late))}." if late else "No review is overdue."
    return Finding(subject="ownership", holds=True, detail=f"{things} things, each with an owner. {said}")


def _rights(settings: Settings) -> Finding:
    """Return what other accounts may read: on purpose, as a backup program does, or from a release that let them."""
    found = [path.name for path in open_to_others(settings.data)]
    if not found:
        return Finding(subject="files", holds=True, detail=f"Nobody else may read what lies in {settings.data}.")
    more = f" and {len(found) - SHOWN_OPEN} more" if len(found) > SHOWN_OPEN else ""
    said = f"Other accounts may read {', '.join(found[:SHOWN_OPEN])}{more} in {settings.data}."
    return Finding(subject="files", holds=True, detail=f"{said} Not wanted? chmod -R go= {settings.data}")


async def _keys_fetched(settings: Settings) -> list[Finding]:
    """Return whether each issuer's keys can be had: `serve` starts without those at an address, and refuses tokens."""
    try:
        ring = keys_of(settings)
    except CannotStart as error:
        return [Finding(subject="keys", holds=False, detail=str(error), mend="Look at issuers in the settings.")]
    await ring.refresh()
    await ring.close()
    return [
        Finding(
            subject=f"keys of {known.issuer}",
            holds=known.fault is None and bool(known.kids),
            detail=known.fault or f"{known.place} has {', '.join(known.kids) or 'no key that can be used'}.",
            mend="Look at its jwks_url or jwks_file in the settings; until then its tokens are refused.",
        )
        for known in ring.states
    ]


def _known(consumers: Consumers) -> str:
    clients = ", ".join(one.policy.client_id for one in consumers.known)
    return f"{len(consumers.known)} rows, for {clients}; tiers: {', '.join(sorted(consumers.tiers))}."


def _of_connection(name: str, finding: Finding) -> Finding:
    return Finding(subject=f"{name}: {finding.subject}", holds=finding.holds, detail=finding.detail, mend=finding.mend)


async def _followed(parts: Parts) -> list[Finding]:
    """Return whether the hash chains hold; a broken one names its first rows."""
    audit = await verify(parts.store, parts.installation.settings.data)
    broken = {"audit": [str(fault) for fault in audit.faults], "events": await broken_events(parts.store)}
    mend = "Somebody changed the database by hand, or a row is lost: compare it with a backup."
    return [
        Finding(
            subject=f"chain of {name}",
            holds=not rows,
            detail=f"Broken at {'; '.join(rows[:SHOWN_BROKEN])}" if rows else "Every row is as it was written.",
            mend=mend,
        )
        for name, rows in broken.items()
    ]


async def _entities_compared(erp: Erp, entities: Mapping[str, Entity]) -> list[Finding]:
    """Return whether the ERP keeps each entity's books the way that the settings say: else amounts differ by cents."""
    found = []
    for theirs in await erp.list_legal_entities():
        ours = entities[theirs.code]
        pairs = [
            ("currency", ours.currency, theirs.currency),
            ("tax_basis", ours.tax_basis, theirs.tax_basis),
            ("rounding", ours.rounding, erp.capabilities.rounding),
        ]
        wrong = [f"{name} is {said}, not {wanted}" for name, wanted, said in pairs if said not in {None, wanted}]
        detail = "; ".join(wrong) or f"{theirs.code} is kept in {theirs.currency}, as the settings say."
        mend = (
            f"Correct entities.{theirs.code} in the settings, or have it changed in the ERP before the first invoice."
        )
        found.append(Finding(subject="entities", holds=not wrong, detail=detail, mend=mend))
    return found


async def _taxes_compared(erp: Erp, mappings: Mappings) -> list[Finding]:
    """Return whether the ERP has each tax that taxes.yaml names today, with the percentage that stands there."""
    today, found = datetime.now(UTC).date(), []
    for entity in erp.capabilities.legal_entities:
        theirs = {tax.code: tax.percent for tax in await _all_taxes(erp, entity)}
        for row in mappings.taxes:
            if row.legal_entity != entity or not row.holds(today):
                continue
            percent = theirs.get(row.tax_code)
            holds = row.tax_code in theirs and (percent is None or Decimal(percent) == Decimal(row.percent))
            said = f"{percent} % in the ERP" if row.tax_code in theirs else "not in the ERP"
            found.append(
                Finding(
                    subject=f"tax {row.category}, {row.customer}",
                    holds=holds,
                    detail=f"{row.tax_code} is {row.percent} % in taxes.yaml, {said}.",
                    mend="Correct the row in mappings/taxes.yaml, or have the tax opened in the ERP.",
                )
            )
    return found


async def _all_taxes(erp: Erp, entity: str) -> list[TaxCode]:
    taxes: list[TaxCode] = []
    after: str | None = None
    while True:
        found = await erp.list_tax_codes(entity, after=after, limit=100)
        taxes += found.items
        after = found.after
        if after is None:
            return taxes


async def _examined(examine: Callable[[], Coroutine[Any, Any, list[Finding]]]) -> list[Finding]:
    try:
        return await examine()
    except ApiError as error:
        mend = "Look at the connection's address and credentials in the settings, and at the system itself."
        return [Finding(subject="connection", holds=False, detail=f"{error.code}: {error.detail}", mend=mend)]
