"""What the set in force says of operations and of clients."""

from gateway.caller import Caller
from gateway.edge.in_force import InForce
from gateway.platform.governance.access import require_whole
from gateway.policy.document import Row
from gateway.policy.plan import Plan, row_shown, rows_shown
from openapi.platform.governance.v1 import Consumer, Consumers, OperationPlan, PlannedRow, Plans


async def list_plans(*, policies: InForce, caller: Caller, operation: str | None) -> Plans:
    """Return each operation's plan; with `operation`, of those whose name holds it."""
    require_whole(caller)
    at_work = policies.edge.policies
    found = [plan for place, plan in at_work.plans.items() if operation is None or operation in place]
    return Plans(policy_set=at_work.id, items=[_plan(plan) for plan in found])


async def list_consumers(*, policies: InForce, caller: Caller) -> Consumers:
    """Return the clients that are known, as the files have them."""
    require_whole(caller)
    at_work = policies.edge.policies
    return Consumers(
        policy_set=at_work.id,
        items=[
            Consumer(
                client_id=policy.client_id,
                issuers=list(policy.issuers),
                owner=policy.owner,
                tier=policy.tier,
                apis=list(policy.apis),
                scopes=None if policy.scopes is None else list(policy.scopes),
                legal_entities=None if policy.legal_entities is None else list(policy.legal_entities),
                file=row.file,
                row=row.number,
            )
            for policy, row in at_work.consumers.known
        ],
    )


def _plan(plan: Plan) -> OperationPlan:
    operation = plan.operation
    return OperationPlan(
        operation=operation.place,
        method=operation.method,
        path=operation.path,
        scopes=sorted(operation.scopes),
        rows=[_row(row) for row in rows_shown(plan)],
    )


def _row(row: Row) -> PlannedRow:
    fields = {name: value for name, value in row_shown(row).items() if name != "kind"}
    return PlannedRow(kind=row.policy.kind, file=row.file, row=row.number, fields=fields)
