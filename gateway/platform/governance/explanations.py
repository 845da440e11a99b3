"""A call explained before it is made, or after it was refused."""

from msgspec import UNSET

from gateway.caller import Caller, Claim
from gateway.edge.explaining import Asked, Explainer
from gateway.edge.in_force import InForce
from gateway.platform.governance.access import require_whole
from gateway.policy.explain import Decision
from openapi.platform.governance.v1 import (
    ExplainedCall,
    ExplainedCaller,
    ExplainedOutcome,
    Explanation,
    RowDecides,
    RowDecision,
)


async def explain_call(*, policies: InForce, bearer: str, caller: Caller, body: ExplainedCall) -> Explanation:
    """Return what would happen to the call, of the token that stands in the body or else of the one that asks.

    Everybody may have their own calls explained; what others may do is told to whoever is limited in nothing.
    """
    token = bearer if body.token is UNSET else body.token
    if token != bearer:
        require_whole(caller)
    asked = Asked(method=body.method.value, target=body.target, token=token)
    told = await Explainer(policies.edge).explain(asked)
    outcome = told.outcome
    return Explanation(
        operation=told.operation,
        policy_set=told.policy_set,
        caller=_caller(told.caller) if told.caller else None,
        decisions=[_decision(decision) for decision in told.decisions],
        outcome=ExplainedOutcome(status=outcome.status, code=outcome.code, detail=outcome.detail),
    )


def _decision(decision: Decision) -> RowDecision:
    row = decision.row
    return RowDecision(
        kind=decision.kind,
        file=row.file if row else decision.file,
        row=row.number if row else None,
        decides=RowDecides(decision.decides),
        why=decision.why,
        left=decision.left,
        full_in_s=decision.full_in_s,
    )


def _caller(caller: Caller) -> ExplainedCaller:
    return ExplainedCaller(
        client_id=caller.client_id,
        subject=caller.subject,
        scopes=sorted(caller.scopes),
        legal_entities=_listed(caller.legal_entities),
        customers=_listed(caller.customers),
        projects=_listed(caller.projects),
    )


def _listed(claim: Claim) -> list[str]:
    return ["*"] if claim == "*" else sorted(claim)
