"""From the texts of policy files to all that they say: pure, so that it can run beside the calls, in a thread."""

from collections.abc import Mapping, Sequence
from typing import cast

from msgspec import Struct

from gateway.policy.document import Mistake, PolicyError, Row, rows_in
from gateway.policy.kinds.upstream import Upstream
from gateway.policy.operation import Operation
from gateway.policy.plan import PolicySet, compiled, connection_policies


class Compiled(Struct, frozen=True, kw_only=True):
    """What one set of files says."""

    policies: PolicySet
    upstreams: Mapping[str, Upstream]
    """By connection. They are not put to work while calls run: connections are built from them at the start."""


class Compiler(Struct, frozen=True, kw_only=True):
    """What rows may name in this process."""

    operations: Sequence[Operation]
    issuers: Sequence[str]
    connections: Sequence[str]

    def __call__(self, texts: Mapping[str, str]) -> Compiled:
        """Return what the files say; raises PolicyError with every mistake in them."""
        rows = rows_in(texts)
        mistakes = list[Mistake]()
        policies, upstreams = None, dict[str, Upstream]()
        try:
            policies = compiled(rows, self.operations, self.issuers)
        except PolicyError as error:
            mistakes += error.mistakes
        try:
            upstreams = self._upstreams(rows)
        except PolicyError as error:
            mistakes += error.mistakes
        if policies is None or mistakes:
            raise PolicyError(mistakes)
        return Compiled(policies=policies, upstreams=upstreams)

    def _upstreams(self, rows: Sequence[Row]) -> dict[str, Upstream]:
        return cast("dict[str, Upstream]", connection_policies(rows, Upstream, self.connections))
