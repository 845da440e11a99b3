"""Policies that are tried on real calls before they are put in force."""

from collections.abc import Sequence

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.edge.in_force import InForce
from gateway.listing import Listing
from gateway.platform.governance.access import require_whole
from gateway.platform.governance.policy_sets import change_of
from gateway.store import policy_candidates, shadow_differences
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.policy_candidates import Candidate
from gateway.store.shadow_differences import Difference, Totals
from openapi.platform.governance.v1 import (
    NewPolicyCandidate,
    PolicyCandidate,
    PolicyCandidateObject,
    PolicyCandidatePage,
    PolicyCandidateState,
    PolicyChange,
    PolicyDifference,
    PolicyDifferencePage,
)


async def list_policy_candidates(
    *, store: Store, policies: InForce, caller: Caller, cursors: Cursors, limit: int, cursor: str | None
) -> PolicyCandidatePage:
    """Return the candidates, the newest first."""
    require_whole(caller)
    listing = Listing(cursors, "platform/governance/v1:list_policy_candidates", caller)
    found = await policy_candidates.listing(store, Window(after=listing.after(cursor), limit=limit))
    items = await _all_shown(store, policies, found.items)
    return PolicyCandidatePage(items=items, next_cursor=listing.next_cursor(found.after))


async def propose_policies(
    *, store: Store, policies: InForce, caller: Caller, body: NewPolicyCandidate
) -> PolicyCandidate:
    """Return the candidate, or nothing has changed where something in the files does not hold."""
    require_whole(caller)
    return await _shown(store, policies, await policies.propose(body.files, caller.subject))


async def get_policy_candidate(
    *, store: Store, policies: InForce, caller: Caller, candidate_id: str
) -> PolicyCandidate:
    """Return the candidate, with what was counted of it."""
    require_whole(caller)
    return await _shown(store, policies, await policy_candidates.get(store, candidate_id))


async def drop_policy_candidate(
    *, store: Store, policies: InForce, caller: Caller, candidate_id: str
) -> PolicyCandidate:
    """Return the candidate, which is tried no longer."""
    require_whole(caller)
    return await _shown(store, policies, await policies.drop(candidate_id, caller.subject))


async def list_policy_differences(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    policies: InForce,
    caller: Caller,
    cursors: Cursors,
    candidate_id: str,
    client_id: str | None,
    operation: str | None,
    limit: int,
    cursor: str | None,
) -> PolicyDifferencePage:
    """Return what calls would get otherwise, the most frequent first."""
    require_whole(caller)
    await policies.trying.flush()
    candidate = await policy_candidates.get(store, candidate_id)
    filters = {"candidate_id": candidate.id, "client_id": client_id, "called": operation}
    listing = Listing(cursors, "platform/governance/v1:list_policy_differences", caller, **filters)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await shadow_differences.listing(store, candidate.id, window, client_id=client_id, operation=operation)
    totals = await shadow_differences.totals(store, candidate.id, client_id=client_id, operation=operation)
    return PolicyDifferencePage(
        compared=totals.compared,
        differing=totals.differing,
        items=[_difference(one) for one in found.items],
        next_cursor=listing.next_cursor(found.after),
    )


async def promote_policies(*, policies: InForce, caller: Caller, candidate_id: str) -> PolicyChange:
    """Return what is in force now: the candidate's set, or all as it was where it may not be."""
    require_whole(caller)
    return change_of(await policies.promote(candidate_id, caller.subject))


async def _shown(store: Store, policies: InForce, candidate: Candidate) -> PolicyCandidate:
    return (await _all_shown(store, policies, [candidate]))[0]


async def _all_shown(store: Store, policies: InForce, candidates: Sequence[Candidate]) -> list[PolicyCandidate]:
    await policies.trying.flush()
    totals = await shadow_differences.totals_of(store, [one.id for one in candidates])
    return [_candidate(one, totals[one.id], policies.trying.why_not(one, policies.edge)) for one in candidates]


def _candidate(candidate: Candidate, totals: Totals, not_tried: str | None) -> PolicyCandidate:
    return PolicyCandidate(
        id=candidate.id,
        object=PolicyCandidateObject.policy_candidate,
        digest=candidate.digest,
        state=PolicyCandidateState(candidate.state),
        files=sorted(candidate.files),
        beside=candidate.beside,
        proposed_at=candidate.proposed_at,
        proposed_by=candidate.proposed_by,
        ended_at=candidate.ended_at,
        ended_by=candidate.ended_by,
        policy_set=candidate.policy_set,
        compared=totals.compared,
        differing=totals.differing,
        not_tried=not_tried,
    )


def _difference(found: Difference) -> PolicyDifference:
    return PolicyDifference(
        client_id=found.client_id,
        operation=found.operation,
        live=found.live,
        candidate=found.candidate,
        count=found.count,
        first_seen=found.first_seen,
        last_seen=found.last_seen,
        correlation_id=found.correlation_id,
    )
