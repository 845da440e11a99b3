"""What was released of each contract: the frozen documents in `openapi/released`, and what each of them changed."""

from datetime import date

from msgspec import Struct

from gateway.contract.compatibility import Change


class Entry(Struct, frozen=True, kw_only=True):
    """What one release of a contract changed."""

    contract: str
    """`process/billing_holds/v2`."""
    version: str
    """Its `info.version`: `2.1.0`."""
    released_on: date | None
    """None where it is not released yet, or nobody noted the day."""
    since: str | None
    """What it is compared with: `2.0.0`, or of another version of the contract `process/billing_holds/v1 1.2.0`.
    None for the first release of all."""
    changes: tuple[Change, ...]


def changelog(contract: str) -> list[Entry]:
    """Return what each release of the contract changed, the newest first.

    The first entry is what is served now, where that is not released. The last one compares with the version before:
    v2's first release with v1's newest.
    """
    raise NotImplementedError
