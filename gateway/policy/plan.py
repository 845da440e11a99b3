"""Which rows an operation has. Pure: rows and operations in, plans out; `tests/policies` holds golden pairs.

For each slot of a plan the most specific row wins, and among equals the last: an exact operation before a glob before a
row for everything; then an exact connection before a glob before every connection.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.policy.document import PolicyError, Row
from gateway.policy.kinds import KINDS
from gateway.policy.kinds.base import Policy, fields_of
from gateway.policy.operation import UNMATCHED, Operation

ORDER: Final = {str(kind.__struct_config__.tag): place for place, kind in enumerate(KINDS)}
ALWAYS: Final = ("authenticate", "authorize")
"""What no operation goes without, unless its contract says that it is public."""

Rank = tuple[int, int]


class Plan(Struct, frozen=True, kw_only=True):
    """One operation and its policies, outermost first."""

    operation: Operation
    policies: tuple[Policy, ...]


def plans_of(rows: Sequence[Row], operations: Sequence[Operation], issuers: Iterable[str]) -> dict[str, Plan]:
    """Return each operation's plan by its place, that of UNMATCHED too; raises PolicyError with every mistake."""
    planned = [row for row in rows if row.policy.belongs_to == "operation"]
    mistakes = _unknown(planned, operations, frozenset(issuers))
    plans = {}
    for operation in (*operations, UNMATCHED):
        policies = () if operation.public else _policies(planned, operation)
        plans[operation.place] = Plan(operation=operation, policies=policies)
        mistakes += _gaps(plans[operation.place])
    if mistakes:
        raise PolicyError("\n".join(mistakes))
    return plans


def connection_policies(rows: Sequence[Row], kind: type[Policy], connections: Iterable[str]) -> dict[str, Policy]:
    """Return each connection's row of a kind that is planned for connections; raises PolicyError with every mistake."""
    own, names = [row for row in rows if isinstance(row.policy, kind)], frozenset(connections)
    mistakes = [
        f"{row.where}, field match.operations: rows of this kind are for connections."
        for row in own
        if row.policy.match.operations
    ]
    mistakes += [mistake for row in own for mistake in _unknown_globs(row, "connections", names)]
    found = {}
    for name in sorted(names):
        ranked = [(_specific(row.policy.match.connections, name), place, row) for place, row in enumerate(own)]
        winners = [(rank, place, row) for rank, place, row in ranked if rank is not None]
        if winners:
            found[name] = max(winners, key=lambda winner: winner[:2])[2].policy
        else:
            mistakes.append(f"{name}: no row of the kind {kind.__struct_config__.tag} is for this connection.")
    if mistakes:
        raise PolicyError("\n".join(mistakes))
    return found


def shown(plans: Mapping[str, Plan]) -> dict[str, list[dict[str, Any]]]:
    """Return plans as plain rows, for people and golden files."""
    return {place: [fields_of(policy) for policy in plan.policies] for place, plan in plans.items()}


def _policies(rows: Sequence[Row], operation: Operation) -> tuple[Policy, ...]:
    best: dict[str, tuple[Rank, Policy]] = {}
    for row in rows:
        rank = _rank(row.policy, operation)
        if rank is None or not row.policy.concerns(operation):
            continue
        if row.policy.slot not in best or rank >= best[row.policy.slot][0]:
            best[row.policy.slot] = (rank, row.policy)
    return tuple(sorted((policy for _, policy in best.values()), key=lambda policy: (ORDER[policy.kind], policy.slot)))


def _rank(policy: Policy, operation: Operation) -> Rank | None:
    """Return how closely the row names the operation, or None where it does not."""
    by_operation = _specific(policy.match.operations, operation.name)
    by_connection = _specific(policy.match.connections, operation.connection)
    return None if by_operation is None or by_connection is None else (by_operation, by_connection)


def _specific(globs: Sequence[str], name: str | None) -> Literal[0, 1, 2] | None:
    """Return 2 where the name stands there, 1 where a glob matches, 0 where nothing was asked, None otherwise."""
    if not globs:
        return 0
    if name is None:
        return None
    if name in globs:
        return 2
    return 1 if any(fnmatchcase(name, glob) for glob in globs) else None


def _unknown(rows: Sequence[Row], operations: Sequence[Operation], issuers: frozenset[str]) -> list[str]:
    names = frozenset(operation.name for operation in operations)
    connections = frozenset(operation.connection for operation in operations if operation.connection)
    mistakes = []
    for row in rows:
        mistakes += _unknown_globs(row, "operations", names) + _unknown_globs(row, "connections", connections)
        mistakes += [
            f"{row.where}, field {field}: nothing is named {name!r}."
            for field, name in row.policy.unknown_names(names, issuers)
        ]
        mistakes += [
            f"{row.where}, field match.operations: {operation.place} is not an operation for this kind."
            for operation in operations
            if operation.name in row.policy.match.operations and not row.policy.concerns(operation)
        ]
    return mistakes


def _unknown_globs(row: Row, field: Literal["operations", "connections"], names: frozenset[str]) -> list[str]:
    return [
        f"{row.where}, field match.{field}: nothing is named {glob!r}."
        for glob in getattr(row.policy.match, field)
        if not any(fnmatchcase(name, glob) for name in names)
    ]


def _gaps(plan: Plan) -> list[str]:
    """Return what the operation goes without and must not."""
    operation = plan.operation
    if operation.public:
        return []
    needed = (*ALWAYS, "idempotency") if operation.takes_idempotency_key else ALWAYS
    missing = [kind for kind in needed if kind not in {policy.kind for policy in plan.policies}]
    what = "paths that are no operation" if operation is UNMATCHED else operation.place
    return [f"{what}: no row of the kind {kind} is for it; give 00-baseline.yaml one." for kind in missing]
