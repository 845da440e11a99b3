"""What comes in a version's place: the first of its successors that has not ended itself. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from gateway.caller import Client
from gateway.lifecycle.document import Version


class Successor(NamedTuple):
    """A version that takes another one's place, until it ends for the client too."""

    contract: str
    ends_at: datetime | None

    def lives(self, now: datetime) -> bool:
        """Tell whether the client can still go there."""
        return self.ends_at is None or now < self.ends_at


def successors(versions: Mapping[str, Version], version: Version, client: Client | None = None) -> Iterator[Successor]:
    """Yield the version's successor, the successor's, and so on; one that nothing is known of ends the row."""
    name, seen = version.successor, set[str]()
    while name is not None and name not in seen:
        seen.add(name)
        following = versions.get(name)
        yield Successor(name, ends_for(following, client) if following else None)
        name = following.successor if following else None


def ends_for(version: Version, client: Client | None) -> datetime | None:
    """Return when the version ends for a client."""
    extension = next((each for each in version.extensions if client and each.is_for(client)), None)
    return extension.until if extension else version.sunset_at


def living(versions: Mapping[str, Version], now: datetime) -> dict[str, Version]:
    """Return the versions, each with a successor that lives, or none."""
    return {contract: _living(versions, version, now) for contract, version in versions.items()}


def _living(versions: Mapping[str, Version], version: Version, now: datetime) -> Version:
    found = next((each.contract for each in successors(versions, version) if each.lives(now)), None)
    return version if found == version.successor else structs.replace(version, successor=found)
