"""What `tiebeam audit` does: seals what was written down, and says whether all of it is as it was."""

from collections.abc import Callable
from typing import Final

from gateway.backup import restores
from gateway.commands import with_parts
from gateway.composition.parts import CannotStart, Parts
from gateway.settings import Settings
from gateway.store.audit_seals import CannotSeal, seal
from gateway.store.audit_verification import Progress, Verified, verify

SAID_EACH: Final = 50_000
"""Rows between two lines that say how far it is: a few seconds."""


def seal_audit(settings: Settings) -> str:
    """Return a sentence that names the seal over what was added since the last one."""

    async def sealed(parts: Parts) -> str:
        try:
            made = await seal(parts.store, settings.data)
        except CannotSeal as error:
            raise CannotStart(str(error)) from error
        if made is None:
            return "Nothing was added since the last seal."
        return f"Seal {made.number} holds {len(made.heads)} chains that have grown: {made.hash}"

    return with_parts(settings, sealed)


def verify_audit(settings: Settings, say: Callable[[str], None]) -> Verified:
    """Return what holds of the audit, and what does not; how far it is, is said now and then."""

    async def verified(parts: Parts) -> Verified:
        return await verify(parts.store, settings.data, _told(say))

    return with_parts(settings, verified)


def restored(settings: Settings) -> list[str]:
    """Return in lines which backups were restored here: where the audit ends earlier than somebody remembers."""
    return [str(one) for one in restores.list_all(settings.data)]


def _told(say: Callable[[str], None]) -> Progress:
    said = 0

    def tell(followed: int, of: int) -> None:
        nonlocal said
        if followed - said >= SAID_EACH:
            said = followed
            say(f"{followed:,} of {of:,} rows …")

    return tell


def said_of(found: Verified) -> list[str]:
    """Return in lines what was found: how much holds, then the first broken row of each chain."""
    rows, writers, seals = (
        _counted(number, what)
        for number, what in ((found.rows, "row"), (found.writers, "writer"), (found.seals, "seal"))
    )
    held = f"{rows} of {writers} and {seals} hold"
    open_yet = f"{_counted(found.unsealed, 'row')} not sealed yet." if found.unsealed else "all of it is sealed."
    return [f"{held}; {open_yet}", *(f"Broken at {fault}" for fault in found.faults)]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
