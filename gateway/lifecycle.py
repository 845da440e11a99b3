"""The life of each contract version: who owns it, where it stands, and that a released one has not changed."""

from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

Contract = Annotated[str, Meta(pattern=r"^(system|process|platform)/[a-z][a-z0-9_]*/v[1-9][0-9]*\Z")]
Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]


class LifecycleError(Exception):
    """A version is served that nobody answers for, or a released one has changed; the text names each."""


class Version(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a contract."""

    owner: Annotated[str, Meta(min_length=1)]
    """The team that answers for it."""
    status: Literal["active", "deprecated", "retired"]
    deprecated_on: date | None = None
    sunset_on: date | None = None
    successor: Contract | None = None
    released: Digest | None = None
    """The digest of the contract when it was released; from then on it is not changed. None: not released yet."""


def load(text: str | None = None) -> dict[str, Version]:
    """Return every version by its contract, from `openapi/lifecycle.yaml` or the text given; raises LifecycleError."""
    if text is None:
        text = files("openapi").joinpath("lifecycle.yaml").read_text("utf-8")
    try:
        return dict(msgspec.convert(yaml.safe_load(text), dict[Contract, Version]))
    except msgspec.ValidationError as error:
        raise LifecycleError(f"openapi/lifecycle.yaml: {error}") from error


def check(versions: Mapping[str, Version], served: Mapping[str, str]) -> None:
    """Return when every contract served has its entry and, once released, the digest of its release.

    `served` gives the digest of each contract as it stands. Raises LifecycleError with every fault.
    """
    faults = [f"{contract} has no entry: name its owner and status." for contract in served if contract not in versions]
    faults += [
        f"{contract} is released with {versions[contract].released} and is now {digest}: "
        "open the next version, or note the new digest where it has only grown."
        for contract, digest in served.items()
        if contract in versions and versions[contract].released not in {None, digest}
    ]
    faults += [f"{contract} is retired and still served." for contract in served if _is_retired(versions, contract)]
    if faults:
        raise LifecycleError("\n".join(f"openapi/lifecycle.yaml: {fault}" for fault in sorted(faults)))


def _is_retired(versions: Mapping[str, Version], contract: str) -> bool:
    return contract in versions and versions[contract].status == "retired"
