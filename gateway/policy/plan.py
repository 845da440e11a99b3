"""Which rows an operation has. Pure: rows and operations in, plans out; `tests/policies` holds golden pairs.

For each slot of a plan the most specific row wins, and among equals the last. A row that names the client stands before
one that names its tier, and that before one for everybody; then an exact operation before a glob before a row for
everything; then an exact connection before a glob before every connection; then a row for a class of operations.
Of two globs the one that spells out more of the name is the more specific.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.caller import Client
from gateway.lifecycle import Changes, Course, Version, course_of
from gateway.lifecycle.addresses import base_of
from gateway.lifecycle.document import FILE, SHIPPED
from gateway.policy.consumers import Consumers
from gateway.policy.document import Mistake, PolicyError, Row
from gateway.policy.globs import closeness
from gateway.policy.kinds import KINDS
from gateway.policy.kinds.base import Match, Policy, fields_of
from gateway.policy.operation import UNMATCHED, Operation

ORDER: Final = {str(kind.__struct_config__.tag): place for place, kind in enumerate(KINDS)}
ALWAYS: Final = ("authenticate", "authorize")
"""What no operation goes without, unless its contract says that it is public."""

Rank = tuple[int, int, int, int, int]
Roots = Mapping[str, tuple[str, str | None]]
"""Contract and connection of a version, by the path below which all of it lies."""


class Plan(Struct, frozen=True, kw_only=True):
    """One operation and every row that is for it, for whomever; outermost first."""

    operation: Operation
    rows: tuple[Row, ...]

    def chosen(self, client_id: str | None = None, tier: str | None = None) -> tuple[Row, ...]:
        """Return the rows that hold for a caller, one for each slot; without a caller, those that ask for none."""
        return tuple(sorted((row for _, row in self._best(client_id, tier).values()), key=_order))

    def overridden(self, client_id: str | None = None, tier: str | None = None) -> tuple[tuple[Row, Row], ...]:
        """Return each row that is for a caller too, with the more specific one that holds in its place."""
        best = self._best(client_id, tier)
        own = [row for row in self.rows if _rank(row.policy, self.operation, client_id, tier) is not None]
        return tuple((row, best[row.policy.slot][1]) for row in own if best[row.policy.slot][1] is not row)

    def _best(self, client_id: str | None, tier: str | None) -> dict[str, tuple[Rank, Row]]:
        best: dict[str, tuple[Rank, Row]] = {}
        for row in self.rows:
            rank = _rank(row.policy, self.operation, client_id, tier)
            if rank is not None and (row.policy.slot not in best or rank >= best[row.policy.slot][0]):
                best[row.policy.slot] = (rank, row)
        return best

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Return the policies for a caller whom no row names."""
        return tuple(row.policy for row in self.chosen())


class PolicySet(Struct, frozen=True, kw_only=True):
    """All that one set of policy files says of operations and consumers."""

    plans: Mapping[str, Plan]
    consumers: Consumers
    lifecycle: Mapping[str, Version] = {}
    """Every contract version, as the installation's own file has it."""
    changes: Mapping[str, Changes] = {}
    """What that file says, by contract."""
    gone: Roots = {}
    """What is served no more."""
    id: str | None = None
    """Which of the sets that were loaded it is; None where it is none of them yet."""

    @property
    def roots(self) -> Roots:
        """Return what is served, or was."""
        operations = [plan.operation for plan in self.plans.values() if plan.operation is not UNMATCHED]
        places = {(each.name.partition(":")[0], each.connection) for each in operations}
        versions = {place for place in places if place[0].count("/") > 1}  # `/metrics` is of none.
        return {**self.gone, **{base_of(*place): place for place in versions}}

    def course(self, operation: Operation, client: Client | None = None) -> Course | None:
        """Return what a client's calls of an operation get of its version's life; None where nothing goes."""
        return course_of(self.lifecycle, operation.name, operation.connection, client)

    def file_of(self, contract: str, field: str) -> str:
        """Return the file that sets the field of a version."""
        return FILE if contract in self.changes and field in self.changes[contract].said() else SHIPPED


def compiled(rows: Sequence[Row], operations: Sequence[Operation], issuers: Iterable[str]) -> PolicySet:
    """Return the set; raises PolicyError with every mistake in it."""
    mistakes: list[Mistake] = []
    plans: dict[str, Plan] = {}
    try:
        plans = plans_of(rows, operations, issuers)
    except PolicyError as error:
        mistakes += error.mistakes
    consumers = Consumers(rows)
    if not consumers.tiers:
        mistakes.append(Mistake("no row of the kind consumer is for any client.", "05-consumers.yaml"))
    mistakes += _unknown_tiers(rows, consumers) + _unknown_scopes(consumers, operations)
    if mistakes:
        raise PolicyError(mistakes)
    return PolicySet(plans=plans, consumers=consumers)


def plans_of(rows: Sequence[Row], operations: Sequence[Operation], issuers: Iterable[str]) -> dict[str, Plan]:
    """Return each operation's plan by its place, that of UNMATCHED too; raises PolicyError with every mistake."""
    planned = [row for row in rows if row.policy.belongs_to == "operation"]
    named = [row for row in rows if row.policy.belongs_to != "connection"]
    mistakes = _unknown(named, operations, frozenset(issuers))
    plans = {}
    for operation in (*operations, UNMATCHED):
        own = [] if operation.public else [row for row in planned if _is_for(row.policy, operation)]
        plans[operation.place] = Plan(operation=operation, rows=tuple(sorted(own, key=_order)))
        mistakes += _gaps(plans[operation.place])
    if mistakes:
        raise PolicyError(mistakes)
    return plans


def connection_policies(rows: Sequence[Row], kind: type[Policy], connections: Iterable[str]) -> dict[str, Policy]:
    """Return each connection's row of a kind that is planned for connections; raises PolicyError with every mistake."""
    own, names = [row for row in rows if isinstance(row.policy, kind)], frozenset(connections)
    mistakes = [
        row.mistake("match.operations", "rows of this kind are for connections.")
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
            mistakes.append(Mistake(f"{name}: no row of the kind {kind.__struct_config__.tag} is for this connection."))
    if mistakes:
        raise PolicyError(mistakes)
    return found


def shown(plans: Mapping[str, Plan]) -> dict[str, list[dict[str, Any]]]:
    """Return plans as plain rows, for people and golden files; a row for some callers only says for whom."""
    return {place: [row_shown(row) for row in rows_shown(plan)] for place, plan in plans.items()}


def rows_shown(plan: Plan) -> list[Row]:
    """Return the rows for everybody that hold, and those for some callers that may."""
    general = plan.chosen()
    return sorted([*general, *(row for row in plan.rows if _asks_for_caller(row.policy))], key=_order)


def row_shown(row: Row) -> dict[str, Any]:
    """Return the row as it is written, and whom it asks for."""
    for_whom = {"tiers": list(row.policy.match.tiers), "clients": list(row.policy.match.clients)}
    asked = {name: globs for name, globs in for_whom.items() if globs}
    return fields_of(row.policy) | ({"for": asked} if asked else {})


def _order(row: Row) -> tuple[int, str]:
    return ORDER[row.policy.kind], row.policy.slot


def _asks_for_caller(policy: Policy) -> bool:
    return bool(policy.match.tiers or policy.match.clients)


def _is_for(policy: Policy, operation: Operation) -> bool:
    """Tell whether the row is for the operation, whoever calls."""
    match = policy.match
    return (
        _specific(match.operations, operation.name) is not None
        and _specific(match.connections, operation.connection) is not None
        and (not match.classes or operation.effect in match.classes)
        and policy.concerns(operation)
    )


def _rank(policy: Policy, operation: Operation, client_id: str | None, tier: str | None) -> Rank | None:
    """Return how closely the row names the caller, then the operation; None where it does not name the caller."""
    match = policy.match
    by_client, by_tier = _specific(match.clients, client_id), _specific(match.tiers, tier)
    if by_client is None or by_tier is None:
        return None
    by_operation = _specific(match.operations, operation.name) or 0
    by_connection = _specific(match.connections, operation.connection) or 0
    return by_client, by_tier, by_operation, by_connection, int(bool(match.classes))


def _specific(globs: Sequence[str], name: str | None) -> int | None:
    """Return how closely the name is asked for, 0 where nothing was asked; None where another one is."""
    if not globs:
        return 0
    found = None if name is None else closeness(globs, name)
    return None if found is None else 1 + found


def _unknown(rows: Sequence[Row], operations: Sequence[Operation], issuers: frozenset[str]) -> list[Mistake]:
    names = frozenset(operation.name for operation in operations)
    connections = frozenset(operation.connection for operation in operations if operation.connection)
    mistakes = list[Mistake]()
    for row in rows:
        mistakes += _misplaced(row)
        mistakes += _unknown_globs(row, "operations", names) + _unknown_globs(row, "connections", connections)
        mistakes += [
            row.mistake(field, f"nothing is named {name!r}.")
            for field, name in row.policy.unknown_names(names, issuers)
        ]
        mistakes += [
            row.mistake("match.operations", f"{operation.place} is not an operation for this kind.")
            for operation in operations
            if operation.name in row.policy.match.operations and not row.policy.concerns(operation)
        ]
    return mistakes


def _unknown_globs(row: Row, field: Literal["operations", "connections"], names: frozenset[str]) -> list[Mistake]:
    return [
        row.mistake(f"match.{field}", f"nothing is named {glob!r}.")
        for glob in getattr(row.policy.match, field)
        if not any(fnmatchcase(name, glob) for name in names)
    ]


def _misplaced(row: Row) -> list[Mistake]:
    """Return what a row cannot match, because it is chosen before that is known, or is not about calls at all."""
    policy = row.policy
    if policy.belongs_to == "consumer" and policy.match != Match():
        return [row.mistake("match", "rows of this kind are for clients; `apis` says what they may call.")]
    if policy.before_caller and _asks_for_caller(policy):
        return [row.mistake("match", "this row is chosen before anybody knows who calls.")]
    return []


def _unknown_tiers(rows: Sequence[Row], consumers: Consumers) -> list[Mistake]:
    return [
        row.mistake("match.tiers", f"no consumer is of a tier {glob!r}.")
        for row in rows
        for glob in row.policy.match.tiers
        if not any(fnmatchcase(tier, glob) for tier in consumers.tiers)
    ]


def _unknown_scopes(consumers: Consumers, operations: Sequence[Operation]) -> list[Mistake]:
    """Return the scopes that no contract names: a client with a misspelt one would be refused, and nobody saw why."""
    known = frozenset().union(*(each.scopes | each.further_scopes for each in operations))
    return [
        one.row.mistake("scopes", f"no contract names the scope {scope!r}.")
        for one in consumers.known
        for scope in one.policy.scopes or ()
        if scope not in known
    ]


def _gaps(plan: Plan) -> list[Mistake]:
    """Return what the operation goes without and must not."""
    operation = plan.operation
    if operation.public:
        return []
    needed = (*ALWAYS, "idempotency") if operation.takes_idempotency_key else ALWAYS
    missing = [kind for kind in needed if kind not in {policy.kind for policy in plan.policies}]
    what = "paths that are no operation" if operation is UNMATCHED else operation.place
    return [Mistake(f"{what}: no row of the kind {kind} is for it; give 00-baseline.yaml one.") for kind in missing]
