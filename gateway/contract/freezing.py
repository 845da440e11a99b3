"""Releasing a contract: its document is frozen, and its digest noted. Only in a source checkout: both are committed."""

import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from gateway.contract.compatibility import changes_between
from gateway.contract.compatibility.telling import breaking
from gateway.contract.model import ContractError
from gateway.contract.release_check import difference
from gateway.contract.released import OPENAPI, RELEASED_ON, Snapshot, numbers_of, served_now, snapshots
from gateway.lifecycle import LifecycleError, load

LIFECYCLE: Final = "lifecycle.yaml"


def freeze(contract: str, on: date, openapi: Path = OPENAPI) -> bool:
    """Return whether the contract was frozen now: False where it was already as it stands.

    Raises ContractError where it would break callers of its last release, or needs another version first.
    """
    now, released = served_now(contract, openapi), snapshots(contract, openapi)
    lifecycle = openapi / LIFECYCLE
    text = lifecycle.read_text("utf-8")
    noted = noted_in(text, contract, now.digest)
    is_new = not released or released[-1].digest != now.digest
    if is_new:
        _none_is_lost(load(text)[contract].released, [*released, now])
        _may_follow(released[-1] if released else None, now)
        _write(now, on, openapi)
    if noted != text:
        lifecycle.write_text(noted, "utf-8")
    return is_new


def _none_is_lost(digest: str | None, known: Sequence[Snapshot]) -> None:
    """Return when the release that is noted down is among the documents: else nobody knows what would break."""
    if digest is not None and digest not in {each.digest for each in known}:
        contract = known[-1].contract
        raise ContractError(
            f"{contract} is released with {digest}, and openapi/released/{contract} has no such document: put it back."
        )


def _may_follow(last: Snapshot | None, now: Snapshot) -> None:
    """Return when the contract may be released after its last release."""
    major = now.contract.rsplit("/v", 1)[1]
    if not re.fullmatch(rf"{major}\.\d+\.\d+", now.version):
        raise ContractError(f"{now.contract}: its info.version is {now.version}; write {major}, a minor and a patch.")
    if last is None:
        return
    if breaking(changes_between(last.document, now.document)):
        raise ContractError(difference(last, now))
    if numbers_of(now.version) <= numbers_of(last.version):
        raise ContractError(
            f"{now.contract} changed since its release {last.version}, and its info.version is {now.version}: raise it."
        )


def _write(now: Snapshot, on: date, openapi: Path) -> None:
    file = openapi / "released" / now.contract / f"{now.version}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {RELEASED_ON: on.isoformat(), **now.document}
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def noted_in(lifecycle: str, contract: str, digest: str) -> str:
    """Return the text of `lifecycle.yaml` with the digest noted; comments and layout stay as they are."""
    lines = lifecycle.splitlines()
    start = next(
        (place for place, line in enumerate(lines) if re.match(rf"{re.escape(contract)}:\s*(#|$)", line)), None
    )
    if start is None:
        raise LifecycleError(f"openapi/{LIFECYCLE} has no entry {contract}: name its owner.")
    end = start + 1
    for place in range(start + 1, len(lines)):
        if lines[place].startswith(" "):
            end = place + 1
        elif lines[place] and not lines[place].startswith("#"):
            break
    fields = [place for place in range(start + 1, end) if lines[place].startswith("  released:")]
    if fields:
        _, hash_sign, comment = lines[fields[0]].partition(" #")
        lines[fields[0]] = f"  released: {digest}{hash_sign and ' #'}{comment}"
    else:
        lines.insert(end, f"  released: {digest}")
    return "\n".join(lines) + "\n"
