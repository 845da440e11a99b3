"""From the texts of policy files to all that they say: pure, so that it can run beside the calls, in a thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, cast

from msgspec import Struct, structs

from gateway.lifecycle import Changes, Version, changed
from gateway.lifecycle.checking import Served, faults_in, gone_in
from gateway.lifecycle.document import FILE, SHIPPED
from gateway.lifecycle.overlay import Fault, changes_in
from gateway.policy.document import Mistake, PolicyError, Row, rows_in
from gateway.policy.kinds.upstream import Upstream
from gateway.policy.operation import Operation
from gateway.policy.plan import PolicySet, compiled, connection_policies
from gateway.store.database import Clock, utc_now

T = TypeVar("T")


class Compiled(Struct, frozen=True, kw_only=True):
    """What one set of files says."""

    policies: PolicySet
    upstreams: Mapping[str, Upstream]
    """By connection. They are not put to work while calls run: connections are built from them at the start."""


class Lives(Struct, frozen=True, kw_only=True):
    """The versions as they are shipped, and what the lives of versions may name."""

    versions: Mapping[str, Version]
    served: Served
    now: Clock = utc_now
    """What is served no more must have ended by then."""

    def said(self, texts: Mapping[str, str]) -> dict[str, Changes]:
        """Return what the files say of versions; raises PolicyError with every mistake, also in what is shipped."""
        changes, faults = changes_in(texts.get(FILE, ""))
        versions = changed(self.versions, changes)
        faults += [Fault("there is no such version.", one) for one in changes if one not in versions]
        unread = {fault.contract for fault in faults}
        faults += [one for one in faults_in(versions, self.served, self.now()) if one.contract not in unread]
        if faults:
            raise PolicyError(_mistake(fault, changes) for fault in faults)
        return changes


NO_LIVES: Final = Lives(versions={}, served=Served(contracts=frozenset(), connections={}, names=lambda _contract: {}))


class Compiler(Struct, frozen=True, kw_only=True):
    """What rows may name in this process."""

    operations: Sequence[Operation]
    issuers: Sequence[str]
    connections: Sequence[str]
    lives: Lives = NO_LIVES

    def __call__(self, texts: Mapping[str, str]) -> Compiled:
        """Return what the files say; raises PolicyError with every mistake in them."""
        mistakes = list[Mistake]()
        rows = _tried(lambda: rows_in(texts), mistakes)
        if rows is None:
            _tried(lambda: self.lives.said(texts), mistakes)
            raise PolicyError(mistakes)
        policies = _tried(lambda: self.policies(rows, texts), mistakes)
        upstreams = _tried(lambda: self._upstreams(rows), mistakes)
        if policies is None or upstreams is None:
            raise PolicyError(mistakes)
        return Compiled(policies=policies, upstreams=upstreams)

    def policies(self, rows: Sequence[Row], texts: Mapping[str, str]) -> PolicySet:
        """Return what rows that were read already say of calls, and the texts of versions; raises PolicyError."""
        mistakes = list[Mistake]()
        found = _tried(lambda: compiled(rows, self.operations, self.issuers), mistakes)
        changes = _tried(lambda: self.lives.said(texts), mistakes)
        if found is None or changes is None:
            raise PolicyError(mistakes)
        versions = changed(self.lives.versions, changes)
        return structs.replace(found, lifecycle=versions, changes=changes, gone=gone_in(versions, self.lives.served))

    def _upstreams(self, rows: Sequence[Row]) -> dict[str, Upstream]:
        return cast("dict[str, Upstream]", connection_policies(rows, Upstream, self.connections))


def _tried(make: Callable[[], T], mistakes: list[Mistake]) -> T | None:
    """Return what is made, or None and its mistakes beside the others."""
    try:
        return make()
    except PolicyError as error:
        mistakes += error.mistakes
        return None


def _mistake(fault: Fault, changes: Mapping[str, Changes]) -> Mistake:
    """Return the mistake, with the file in which the version's fault is to be mended."""
    file = FILE if fault.contract is None or fault.contract in changes else SHIPPED
    return Mistake(fault.detail, file, contract=fault.contract, field=fault.field)
