"""An API's operations as its page and programs read them: made anew only once the version's life has moved on.

Everybody may ask for pages, and a contract takes some ten milliseconds to be put together.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from gateway.contract import Api
from gateway.lifecycle import Version, stage_of
from gateway.portal import operations, reference, types
from gateway.portal.files import File


class Shown(NamedTuple):
    """What is shown of a contract."""

    html: str
    """Operations to read and to try, then the types."""
    document: File
    """One OpenAPI document."""


class Contract:
    """One API's contract."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._kept: tuple[object, Shown] | None = None

    def shown(self, version: Version, now: datetime) -> Shown:
        """Return what is shown of it at an instant."""
        state = version, stage_of(version, now), tuple(_passed(version, now))
        if self._kept is None or self._kept[0] != state:
            document = reference.marked(reference.document(self.api), self.api, version, now)
            html = operations.section(document, self.api.base) + types.section(document)
            self._kept = state, Shown(html, File.of("openapi.json", msgspec.json.encode(document)))
        return self._kept[1]


def _passed(version: Version, now: datetime) -> Iterator[bool]:
    yield from (one.deprecated_at <= now for one in version.operations.values())
    yield from (one.deprecated_at <= now for one in version.fields)
