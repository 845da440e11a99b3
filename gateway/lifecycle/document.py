"""`openapi/lifecycle.yaml`, and what an installation sets over it: the life of each contract version, as it is written.

The shipped file says who answers for a version and what it was released as; the installation's own, `lifecycle.yaml`
among its policies, sets dates, brown-outs and extensions over it, field by field. Being one of the policy files, it is
loaded, rolled back and tried in shadow with them.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

FILE: Final = "lifecycle.yaml"
"""Its name below `openapi/`, and among the policies of an installation."""

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
    until: Instant
    reason: Text


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


class Changes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an installation says of one version; what it leaves out stays as it was shipped."""

    owner: Text | None = None
    contact: Text | None = None
    service_level: Text | None = None
    data_class: Literal["public", "internal", "confidential", "restricted"] | None = None
    review_on: date | None = None
    deprecated_at: Instant | None = None
    sunset_at: Instant | None = None
    brown_outs: tuple[BrownOut, ...] | None = None
    extensions: tuple[Extension, ...] | None = None
    operations: dict[str, Retirement] | None = None
    fields: tuple[FieldRetirement, ...] | None = None


def load(text: str | None = None) -> dict[str, Version]:
    """Return every version by its contract, from `openapi/lifecycle.yaml` or the text given; raises LifecycleError."""
    if text is None:
        text = files("openapi").joinpath(FILE).read_text("utf-8")
    return dict(_read(text, f"openapi/{FILE}", dict[Contract, Version]))


def changed(versions: Mapping[str, Version], text: str | None) -> dict[str, Version]:
    """Return the versions as an installation's own file has them; raises LifecycleError, also for an unknown one."""
    if text is None:
        return dict(versions)
    changes: dict[str, Changes] = _read(text, FILE, dict[Contract, Changes])
    if unknown := sorted(changes.keys() - versions.keys()):
        raise LifecycleError(
            "\n".join(f"{FILE}: {contract} is no version that is served here." for contract in unknown)
        )
    return {
        contract: msgspec.structs.replace(version, **_said(changes[contract])) if contract in changes else version
        for contract, version in versions.items()
    }


def _said(changes: Changes) -> dict[str, Any]:
    return {name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not None}


def _read(text: str, file: str, kind: Any) -> Any:  # noqa: ANN401 - whichever of the two forms.
    try:
        return msgspec.convert(_aware(yaml.safe_load(text)) or {}, kind)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise LifecycleError(f"{file}: {error}") from error


def _aware(node: Any) -> Any:  # noqa: ANN401 - any node of a document.
    """Return the node with the instants that YAML read as UTC and made naive said to be so."""
    if isinstance(node, dict):
        return {key: _aware(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_aware(item) for item in node]
    return node.replace(tzinfo=UTC) if isinstance(node, datetime) and node.tzinfo is None else node
