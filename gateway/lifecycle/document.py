"""`openapi/lifecycle.yaml`: the life of each contract version, as it is written.

It says who answers for a version and what it was released as. Dates, brown-outs and extensions are mostly an
installation's own (`overlay.py`).
"""

from datetime import date, datetime
from importlib.resources import files
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.caller import Client
from gateway.yaml_text import NotYaml, loaded

FILE: Final = "lifecycle.yaml"
"""Its name below `openapi/`, and among the policies of an installation."""
SHIPPED: Final = f"openapi/{FILE}"

Contract = Annotated[str, Meta(pattern=r"^(system|process|platform)/[a-z][a-z0-9_]*/v[1-9][0-9]*\Z")]
Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=400)]
Instant = Annotated[datetime, Meta(tz=True)]
Place = Literal["request", "response", "query"]


class LifecycleError(Exception):
    """A version is served that nobody answers for, or a released one has changed; the text names each."""


class BrownOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """A time, announced before, in which a deprecated version answers as it will after its sunset."""

    since: Instant
    until: Instant


class Extension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client that may go on after the sunset, for a while; it is spared the brown-outs too."""

    client_id: Text
    issuer: Text | None = None
    """Who vouches for the client, where several issuers have one of that name; None: whoever does."""
    until: Instant
    reason: Text

    def is_for(self, client: Client) -> bool:
        """Tell whether it is this client's."""
        return self.client_id == client.client_id and self.issuer in {None, client.issuer}


class Retirement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operation that goes before its version does."""

    deprecated_at: Instant
    sunset_at: Instant | None = None
    instead: Text
    """What callers use in its place, in words."""


class FieldRetirement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field or query parameter that callers shall not use any more."""

    operation: Text
    """The operationId."""
    place: Place
    pointer: Text
    """A JSON Pointer into the body, `*` for every item of a list or map (`/lines/*/note`); a parameter's bare name."""
    deprecated_at: Instant
    sunset_at: Instant | None = None
    """From then on a call that sends it is refused. What is answered goes only with the version."""
    instead: Text


class Version(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a contract; where it stands follows from its instants and the clock (`stages.py`)."""

    owner: Text
    """The team that answers for it."""
    contact: Text
    service_level: Text
    data_class: Literal["public", "internal", "confidential", "restricted"]
    review_on: date
    """When somebody looks again whether all this is still so."""
    deprecated_at: Instant | None = None
    sunset_at: Instant | None = None
    successor: Contract | None = None
    brown_outs: tuple[BrownOut, ...] = ()
    extensions: tuple[Extension, ...] = ()
    operations: dict[str, Retirement] = {}
    """By operationId."""
    fields: tuple[FieldRetirement, ...] = ()
    released: Digest | None = None
    """The digest of the contract when it was released; from then on it is not changed. None: not released yet."""


def load(text: str | None = None) -> dict[str, Version]:
    """Return every version by its contract, from `openapi/lifecycle.yaml` or the text given; raises LifecycleError."""
    if text is None:
        text = files("openapi").joinpath(FILE).read_text("utf-8")
    try:
        document = loaded(text)
        return msgspec.convert({} if document is None else document, dict[Contract, Version])
    except (msgspec.ValidationError, NotYaml) as error:
        raise LifecycleError(f"{SHIPPED}: {error}") from error
