"""Whether the lives of versions fit what is served, and themselves. Pure; every fault is found at once."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from gateway.lifecycle.addresses import base_of
from gateway.lifecycle.course import said
from gateway.lifecycle.document import Extension, FieldRetirement, Place, Retirement, Version
from gateway.lifecycle.overlay import Fault

Gone = dict[str, tuple[str, str | None]]
SYSTEM: Final = "system/"
YEARS: Final = range(1970, 9999)
WHOLE: Final = "give a whole second: header fields say no more."


class Names(Struct, frozen=True, kw_only=True):
    """What of one operation can go by itself."""

    public: bool = False
    request: frozenset[str] = frozenset()
    """JSON Pointers to the fields of its body, `*` for every item."""
    response: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    """Names of parameters."""
    needed: frozenset[str] = frozenset()
    """Those of its body's fields, and of its parameters, that every call must send."""

    def of(self, place: Place) -> frozenset[str]:
        """Return what can go of one place."""
        return {"request": self.request, "response": self.response, "query": self.query}[place]


class Served(Struct, frozen=True, kw_only=True):
    """What this release serves here, as far as the life of a version may name it."""

    contracts: frozenset[str]
    """Those that are mounted."""
    connections: Mapping[str, Sequence[str]]
    """Their names by family: a system contract is mounted once for each."""
    issuers: Collection[str] = ()
    """Who may vouch for clients."""
    names: Callable[[str], Mapping[str, Names]]
    """Gives the operations of a contract, by their operationId."""

    def bases(self, contract: str) -> Gone:
        """Return every path that the contract is, or was, served at."""
        if not contract.startswith(SYSTEM):
            return {base_of(contract): (contract, None)}
        names = self.connections.get(contract.split("/")[1], ())
        return {base_of(contract, name): (contract, name) for name in names}


def gone_in(versions: Mapping[str, Version], served: Served) -> Gone:
    """Return what is listed and served no more: contract and connection by the path that it was served at."""
    lost = [contract for contract in versions if contract not in served.contracts]
    return {base: place for contract in lost for base, place in served.bases(contract).items()}


def faults_in(versions: Mapping[str, Version], served: Served, now: datetime) -> list[Fault]:
    """Return everything that does not hold, with contract and field."""
    found = list[Fault]()
    for contract, version in versions.items():
        if unsayable := [*_of_years(version)]:  # Whatever else is wrong is told in instants.
            found += [Fault(detail, contract, field) for field, detail in unsayable]
            continue
        details = [*_of_version(version), *_of_brown_outs(version), *_of_extensions(version)]
        details += _of_issuers(version, served.issuers)
        if version.successor is not None and version.successor not in versions:
            details.append(("successor", f"{version.successor} is no version that is listed."))
        if contract in served.contracts:
            details += _of_operations(version, served.names(contract) if version.operations or version.fields else {})
        elif served.bases(contract):
            details += _of_unserved(version, now)
        found += [Fault(detail, contract, field) for field, detail in details]
    return found


Details = Iterator[tuple[str, str]]
"""Field and what is wrong with it."""


def _of_years(version: Version) -> Details:
    """Yield the instants that header fields cannot say: in UTC they lie before or behind the calendar."""
    for field, instant in _instants(version):
        if instant is not None and instant.year not in YEARS:
            yield field, f"{instant.year} is no year for it: give one from {YEARS[0]} to {YEARS[-1]}."


def _instants(version: Version) -> Iterator[tuple[str, datetime | None]]:
    goings: list[tuple[str, Version | Retirement | FieldRetirement]] = [("", version)]
    goings += [(f"operations.{name}.", each) for name, each in version.operations.items()]
    goings += [(f"fields.{place}.", each) for place, each in enumerate(version.fields)]
    for prefix, going in goings:
        yield from ((f"{prefix}deprecated_at", going.deprecated_at), (f"{prefix}sunset_at", going.sunset_at))
    for place, each in enumerate(version.brown_outs):
        yield from ((f"brown_outs.{place}.from", each.since), (f"brown_outs.{place}.until", each.until))
    yield from ((f"extensions.{place}.until", each.until) for place, each in enumerate(version.extensions))


def _of_version(version: Version) -> Details:
    yield from _of_dates("", version.deprecated_at, version.sunset_at)
    if version.sunset_at is not None and version.deprecated_at is None:
        yield "sunset_at", "callers have to be told before it: say `deprecated_at`."


def _of_dates(prefix: str, deprecated_at: datetime | None, sunset_at: datetime | None) -> Details:
    for name, instant in (("deprecated_at", deprecated_at), ("sunset_at", sunset_at)):
        if instant is not None and instant.microsecond:
            yield f"{prefix}{name}", WHOLE
    if deprecated_at is not None and sunset_at is not None and sunset_at < deprecated_at:
        yield f"{prefix}sunset_at", f"it is before `deprecated_at`, {said(deprecated_at)}."


def _of_brown_outs(version: Version) -> Details:
    begin, end = version.deprecated_at, version.sunset_at
    for place, each in enumerate(version.brown_outs):
        if each.until <= each.since:
            yield f"brown_outs.{place}.until", "it is not after `from`."
        for name, instant in (("from", each.since), ("until", each.until)):
            if instant.microsecond:
                yield f"brown_outs.{place}.{name}", WHOLE
        if end is None:
            yield f"brown_outs.{place}", "it shows what a sunset will do: say `sunset_at`."
        elif each.until > end:
            yield f"brown_outs.{place}.until", f"it is after `sunset_at`, {said(end)}."
        if begin is not None and each.since < begin:
            yield f"brown_outs.{place}.from", f"it is before `deprecated_at`, {said(begin)}."


def _of_extensions(version: Version) -> Details:
    for place, each in enumerate(version.extensions):
        if version.sunset_at is None:
            yield f"extensions.{place}", "nothing ends that could be extended: say `sunset_at`."
        elif each.until <= version.sunset_at:
            yield f"extensions.{place}.until", f"it is not after `sunset_at`, {said(version.sunset_at)}."
        if each.until.microsecond:
            yield f"extensions.{place}.until", WHOLE
        if any(_meet(each, other) for other in version.extensions[:place]):
            yield f"extensions.{place}.client_id", f"{each.client_id} has another one already."


def _of_issuers(version: Version, issuers: Collection[str]) -> Details:
    for place, each in enumerate(version.extensions):
        if each.issuer is not None and each.issuer not in issuers:
            yield f"extensions.{place}.issuer", f"no issuer in the settings is {each.issuer!r}."


def _meet(one: Extension, other: Extension) -> bool:
    """Tell whether both may be one client's."""
    return one.client_id == other.client_id and (None in {one.issuer, other.issuer} or one.issuer == other.issuer)


def _of_operations(version: Version, names: Mapping[str, Names]) -> Details:
    for operation_id, own in version.operations.items():
        yield from _of_retirement(operation_id, own, names)
    known = [(each.operation, each.place, each.pointer) for each in version.fields]
    for place, each in enumerate(version.fields):
        yield from ((f"fields.{place}.{field}".rstrip("."), detail) for field, detail in _of_field(each, names))
        if known[place] in known[:place]:
            yield f"fields.{place}", "it stands there already."


def _of_retirement(operation_id: str, own: Retirement, names: Mapping[str, Names]) -> Details:
    if operation_id not in names:
        yield f"operations.{operation_id}", "there is no such operation in the contract."
    yield from _of_dates(f"operations.{operation_id}.", own.deprecated_at, own.sunset_at)


def _of_field(each: FieldRetirement, names: Mapping[str, Names]) -> Details:
    yield from _of_dates("", each.deprecated_at, each.sunset_at)
    if each.place == "response" and each.sunset_at is not None:
        yield "sunset_at", "what is answered goes only with the version."
    operation = names.get(each.operation)
    if operation is None:
        yield "operation", f"there is no operation {each.operation} in the contract."
    elif operation.public:
        yield "operation", f"{each.operation} is open to strangers: nobody knows who uses its fields."
    elif each.pointer not in operation.of(each.place):
        yield "pointer", f"{each.operation} has no {each.pointer} in its {each.place}."
    elif each.sunset_at is not None and each.place != "response" and each.pointer in operation.needed:
        yield "sunset_at", f"{each.operation} cannot be called without it: only the operation can end."


def _of_unserved(version: Version, now: datetime) -> Details:
    """Yield what keeps a version from being served no more: somebody may still call it."""
    if version.sunset_at is None:
        yield "sunset_at", "this release does not serve the version any more, and it has no end."
    elif version.sunset_at > now:
        yield (
            "sunset_at",
            f"this release does not serve the version any more, and it ends at {said(version.sunset_at)}.",
        )
    for place, each in enumerate(version.extensions):
        if each.until > now:
            yield f"extensions.{place}.until", f"this release does not serve {each.client_id} until then."
