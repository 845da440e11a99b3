"""The installation's settings in the words of the parts: its legal entities, and the clocks of durable work."""

from msgspec import structs

from gateway.durable import DurableSettings
from gateway.settings import Processes, Settings
from gateway.writes import WriteSettings
from process_apis.billing_holds.sweeps import HoldSettings
from process_apis.invoice_release.usual import ReleaseSettings
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.money import PLACES
from process_apis.time_transfer.order import TransferSettings


def entities_of(settings: Settings) -> dict[str, LegalEntity]:
    """Return the legal entities as processes know them."""
    return {
        code: LegalEntity(
            code=code,
            name=entity.name,
            currency=entity.currency,
            country=entity.country,
            time_zone=entity.time_zone,
            code_pattern=entity.code_pattern,
            rounding=entity.rounding,
            tax_basis=entity.tax_basis,
            period_policy=entity.period_policy,
        )
        for code, entity in settings.entities.items()
    }


def unknown_currencies(settings: Settings) -> list[str]:
    """Return which legal entities keep their books in a currency whose decimals are not known, in words."""
    return [
        f"entities.{code}.currency: {entity.currency} is no currency of ISO 4217."
        for code, entity in settings.entities.items()
        if entity.currency not in PLACES
    ]


def write_settings(clocks: Processes) -> WriteSettings:
    """Return the clocks of the guard of writes."""
    return WriteSettings(
        lease_s=clocks.write_lease_s,
        deadline_s=clocks.write_deadline_s,
        slot_s=min(WriteSettings().slot_s, clocks.write_lease_s),
    )


def hold_settings(settings: Settings) -> HoldSettings:
    """Return when holds are told and looked for."""
    return HoldSettings(**structs.asdict(settings.holds))


def transfer_settings(settings: Settings) -> TransferSettings:
    """Return how time is taken over, as the installation set it."""
    return TransferSettings(**structs.asdict(settings.transfer))


def release_settings(settings: Settings) -> ReleaseSettings:
    """Return when an invoice needs a second person."""
    return ReleaseSettings(**structs.asdict(settings.releases))


def durable_settings(settings: Settings) -> DurableSettings:
    """Return the clocks of durable work as the installation set them."""
    clocks = settings.processes
    return DurableSettings(
        retry_attempts=clocks.retry_attempts,
        retry_interval_s=clocks.retry_interval_s,
        probes_s=clocks.probes_s,
        write_deadline_s=clocks.write_deadline_s,
        poll_interval_s=clocks.poll_interval_s,
        unavailable_resume_s=clocks.unavailable_resume_s,
        hold_forward_s=clocks.hold_forward_h * 3600,
        lease_s=clocks.worker_lease_s,
        lease_renewal_s=clocks.worker_lease_s / 4,  # Three may get lost.
        keep_usage_s=settings.usage.keep_days * 86_400.0,
    )
