"""What `tiebeam diff`, `lint` and `freeze` do: on contracts in the source, on frozen ones, on files; no settings."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from gateway.composition.parts import CannotStart
from gateway.contract import ContractError, Document
from gateway.contract.compatibility import Change, changes_between
from gateway.contract.compatibility.telling import breaking, growth, markdown_of, told
from gateway.contract.freezing import freeze
from gateway.contract.linting import Finding, findings_of
from gateway.contract.released import OPENAPI, Entry, Snapshot, changelog, current, newest, served_now, snapshots
from gateway.lifecycle import LifecycleError, Stage, Version, load, stage_of
from gateway.store.database import Clock, utc_now
from gateway.yaml_text import NotYaml, loaded


class Difference(Struct, frozen=True, kw_only=True):
    """What changed from one document to another."""

    title: str
    changes: tuple[Change, ...]


def difference(old: str, new: str, openapi: Path = OPENAPI) -> Difference:
    """Return what changed between two contracts or files, each named as `document_of` has it."""
    before, after = document_of(old, openapi), document_of(new, openapi)
    return Difference(title=f"{old} → {new}", changes=tuple(changes_between(before.document, after.document)))


def since_last_release(contract: str, openapi: Path = OPENAPI) -> list[Difference]:
    """Return what changed of a contract since its newest release; nothing where it has none."""
    last = newest(_known(contract, openapi), openapi)
    return [_between(last, served_now(contract, openapi), "as it stands")] if last else []


def all_since_release(openapi: Path = OPENAPI, clock: Clock = utc_now) -> list[Difference]:
    """Return the same of every contract, and what changed from each release to the next: nobody edits those."""
    found = []
    for contract, version in sorted(_listed(openapi).items()):
        released = snapshots(contract, openapi)
        found += [_between(before, after, after.version) for before, after in pairwise(released)]
        if _is_there(contract, openapi):
            found += since_last_release(contract, openapi)
        elif released and stage_of(version, clock()) is not Stage.sunset:
            found.append(_between(released[-1], _nothing_of(released[-1]), "not there, and no sunset of it has passed"))
    return found


def _listed(openapi: Path) -> dict[str, Version]:
    return load((openapi / "lifecycle.yaml").read_text("utf-8"))


def _all(openapi: Path) -> list[str]:
    return sorted(contract for contract in _listed(openapi) if _is_there(contract, openapi))


def _is_there(contract: str, openapi: Path) -> bool:
    """Tell whether the contract is in the source: a version that ended keeps its entry, and nothing else."""
    return (openapi / f"{contract}.yaml").is_file()


def _nothing_of(snapshot: Snapshot) -> Snapshot:
    return structs.replace(snapshot, document=snapshot.document | {"paths": {}})


def _between(old: Snapshot, new: Snapshot, name: str) -> Difference:
    changes = changes_between(old.document, new.document)
    return Difference(title=f"{old.contract} {old.version} → {name}", changes=tuple(changes))


def lines_of(found: Difference, *, everything: bool = False) -> Iterator[str]:
    """Yield a difference in lines: what breaks with a cross, the rest with a dot; words in full where asked for."""
    yield found.title
    breaks, grown = breaking(found.changes), growth(found.changes)
    words = [change for change in found.changes if change not in {*breaks, *grown}]
    yield from (f"  ✗ {line}" for line in told(breaks))
    yield from (f"  · {line}" for line in told(grown))
    if everything:
        yield from (f"  · {line}" for line in told(words))
    elif words:
        yield f"  · {len(list(told(words)))} descriptions or examples read differently."
    if not found.changes:
        yield "  Nothing changed."


def is_breaking(found: Sequence[Difference]) -> bool:
    """Tell whether any of the differences breaks callers."""
    return any(breaking(each.changes) for each in found)


def markdown_of_difference(found: Difference) -> Iterator[str]:
    """Yield a difference as Markdown."""
    yield f"## {found.title}"
    yield from markdown_of(found.changes)


def markdown_of_changelog(contract: str, openapi: Path = OPENAPI) -> Iterator[str]:
    """Yield the changelog of a contract as Markdown, the newest release first."""
    yield f"# {contract}"
    for entry in changelog(_known(contract, openapi), openapi):
        yield from ("", f"## {entry.version} — {_day(entry)}")
        if entry.since is None:
            yield from ("", "The first release.")
        else:
            yield from ("", f"Compared with {entry.since}:", *markdown_of(entry.changes))


def _day(entry: Entry) -> str:
    return entry.released_on.isoformat() if entry.released_on else "not released yet"


def lint(paths: Sequence[str], openapi: Path = OPENAPI) -> list[Finding]:
    """Return what breaks our rules in the contracts or files named; in all contracts where none is."""
    names = paths or _all(openapi)
    return [finding for name in names for finding in findings_of(source_of(name, openapi))]


def lines_of_findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what each rule found, and once for each how it is mended."""
    for rule in dict.fromkeys(finding.rule for finding in findings):
        found = [finding for finding in findings if finding.rule == rule]
        yield from (f"{each.contract}: {each.place}: {each.detail}  [{rule}]" for each in found)
        yield f"  → {found[0].mend}"


def freeze_all(contracts: Sequence[str], on: date, openapi: Path = OPENAPI) -> Iterator[str]:
    """Yield a sentence for each contract that is frozen, one by one; of all contracts where none is named."""
    if not (openapi.parent / "pyproject.toml").is_file():
        raise CannotStart("Contracts are released in a checkout of the source, where they are committed.")
    for contract in contracts or _all(openapi):
        try:
            is_new = freeze(_known(contract, openapi), on, openapi)
        except (ContractError, LifecycleError) as error:
            raise CannotStart(str(error)) from error
        last = newest(contract, openapi)
        version = last.version if last else ""
        yield f"{contract} {version} is {'released' if is_new else 'as it was released'}."


def document_of(name: str, openapi: Path = OPENAPI) -> Snapshot:
    """Return a contract: `process/status/v1` as it stands, `process/status/v1@1.0.0` as it was released, or a file."""
    contract, at, version = name.partition("@")
    if Path(name).is_file():
        return _of_file(Path(name), openapi)
    if not at:
        return served_now(_known(contract, openapi), openapi)
    found = {each.version: each for each in snapshots(contract, openapi)}
    if version not in found:
        there = ", ".join(found) or "none"
        raise CannotStart(f"{contract} has no release {version}; there are: {there}.")
    return found[version]


def source_of(name: str, openapi: Path = OPENAPI) -> Document:
    """Return a contract by its name, or a file with one; raises CannotStart where there is neither."""
    if not Path(name).is_file():
        return Document(_known(name, openapi), _parsed(openapi / f"{name}.yaml"))
    return Document("/".join(Path(name).resolve().with_suffix("").parts[-3:]), _parsed(Path(name)))


def _of_file(file: Path, openapi: Path) -> Snapshot:
    document = _parsed(file)
    if file.suffix == ".json":
        version = str(document.get("info", {}).get("version", ""))
        return Snapshot(contract=file.name, version=version, released_on=None, document=document)
    return current(source_of(str(file), openapi))


def _parsed(file: Path) -> dict[str, Any]:
    text = file.read_text("utf-8")
    try:
        document = json.loads(text) if file.suffix == ".json" else loaded(text)
    except (ValueError, NotYaml) as error:
        raise CannotStart(f"{file} cannot be read: {error}") from error
    if not isinstance(document, dict) or "paths" not in document:
        raise CannotStart(f"{file} is no contract: it has no `paths`.")
    return document


def _known(contract: str, openapi: Path) -> str:
    if not _is_there(contract, openapi):
        raise CannotStart(f"There is no contract {contract}, and no such file; `tiebeam lint` looks at all there are.")
    return contract
