"""Whether what is served is what was released; where it is not, what would break its callers, or how it is released."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from gateway import lifecycle
from gateway.contract.compatibility import changes_between
from gateway.contract.compatibility.telling import breaking, told
from gateway.contract.model import Api
from gateway.contract.released import OPENAPI, Snapshot, current, newest, snapshots
from gateway.lifecycle import LifecycleError, Version


def check_released(versions: Mapping[str, Version], apis: Sequence[Api], openapi: Path = OPENAPI) -> None:
    """Return when every API has its entry and, once released, is as it was; raises LifecycleError with every fault."""
    now = {api.contract: current(api.document) for api in apis}
    digests = {contract: each.digest for contract, each in now.items()}
    lifecycle.check(versions, digests, partial(_why, versions, now, openapi))
    frozen = {contract: newest(contract, openapi) for contract in now if versions[contract].released}
    if faults := [_not_frozen(contract) for contract, last in frozen.items() if not _is(last, digests[contract])]:
        raise LifecycleError("\n".join(faults))


def _is(frozen: Snapshot | None, digest: str) -> bool:
    return frozen is not None and frozen.digest == digest


def _not_frozen(contract: str) -> str:
    return (
        f"{contract} is marked as released, but the newest document in openapi/released/{contract} is another one: "
        f"digests are not written by hand. Put the document back, or run `tiebeam freeze {contract}`."
    )


def _why(versions: Mapping[str, Version], now: Mapping[str, Snapshot], openapi: Path, contract: str) -> str:
    """Return why a contract that is not as it was released is not served, and what to do."""
    digest = versions[contract].released
    frozen = next((each for each in snapshots(contract, openapi) if each.digest == digest), None)
    if frozen is None:
        return (
            f"{contract} is released with {digest}, and openapi/released/{contract} has no such document: put it back."
        )
    return difference(frozen, now[contract])


def difference(frozen: Snapshot, now: Snapshot) -> str:
    """Return in words why a contract must not be served in place of what was released."""
    changes = changes_between(frozen.document, now.document)
    if breaks := breaking(changes):
        listed = "\n".join(f"  - {line}" for line in told(breaks))
        return (
            f"{now.contract} would break callers of its release {frozen.version}:\n{listed}\n"
            "  Take that back, or open the next version of the contract for it."
        )
    return (
        f"{now.contract} is not what was released as {frozen.version}. No caller would break: "
        f"raise its info.version, then run `tiebeam freeze {now.contract}`."
    )
