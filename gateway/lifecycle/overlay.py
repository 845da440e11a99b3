"""What an installation sets over the shipped life of versions: `lifecycle.yaml` among its policies, field by field.

Being one of the policy files, it is loaded, rolled back and tried in shadow with them.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.lifecycle.document import (
    BrownOut,
    Extension,
    FieldRetirement,
    Instant,
    Retirement,
    Text,
    Version,
)
from gateway.yaml_text import NotYaml, loaded

PLACE: Final = re.compile(r"(.*) - at `\$\.?(.*)`\Z", re.DOTALL)


class Fault(NamedTuple):
    """What does not hold in the life of a version, and where: its contract and a field, as far as there is one."""

    detail: str
    contract: str | None = None
    field: str | None = None


class Changes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an installation says of one version. What it leaves out stays as it was shipped; null takes a date back."""

    owner: Text | UnsetType = UNSET
    contact: Text | UnsetType = UNSET
    service_level: Text | UnsetType = UNSET
    data_class: Literal["public", "internal", "confidential", "restricted"] | UnsetType = UNSET
    review_on: date | UnsetType = UNSET
    deprecated_at: Instant | UnsetType | None = UNSET
    sunset_at: Instant | UnsetType | None = UNSET
    brown_outs: tuple[BrownOut, ...] | UnsetType = UNSET
    extensions: tuple[Extension, ...] | UnsetType = UNSET
    operations: dict[str, Retirement] | UnsetType = UNSET
    fields: tuple[FieldRetirement, ...] | UnsetType = UNSET

    def said(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}


def changes_in(text: str) -> tuple[dict[str, Changes], list[Fault]]:
    """Return what the file says by contract, and everything that cannot be read of it."""
    try:
        document = loaded(text)
    except NotYaml as error:
        return {}, [Fault(f"this is no YAML: {error}")]
    if document is None:
        return {}, []
    if not isinstance(document, dict):
        return {}, [Fault("a lifecycle file holds contract versions, each with what changes of it.")]
    faults = list[Fault]()
    return {str(contract): _entry(str(contract), raw, faults) for contract, raw in document.items()}, faults


def changed(versions: Mapping[str, Version], changes: Mapping[str, Changes]) -> dict[str, Version]:
    """Return the versions as the changes have them; those of versions that there are not are left out."""
    return {
        contract: msgspec.structs.replace(version, **changes[contract].said()) if contract in changes else version
        for contract, version in versions.items()
    }


def _entry(contract: str, raw: object, faults: list[Fault]) -> Changes:
    """Return what can be read of one version's changes; each field is read by itself, so that every fault is found."""
    if not isinstance(raw, dict):
        faults.append(Fault("it holds no fields.", contract))
        return Changes()
    read = dict[str, Any]()
    for name, value in raw.items():
        try:
            read |= msgspec.convert({name: value}, Changes).said()
        except msgspec.ValidationError as error:
            faults.append(_fault(contract, str(name), str(error)))
    return Changes(**read)


def _fault(contract: str, name: str, message: str) -> Fault:
    found = PLACE.match(message)
    detail, place = found.groups() if found else (message, "")
    return Fault(f"{detail}.", contract, place.replace("[...]", "").replace("[", ".").replace("]", "") or name)
