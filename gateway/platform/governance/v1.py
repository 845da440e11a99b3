"""Handlers of `openapi/platform/governance/v1.yaml`, which stand by topic in the modules beside this one."""

from gateway.platform.governance.decisions import get_decision, list_decisions
from gateway.platform.governance.explanations import explain_call
from gateway.platform.governance.lifecycle import list_lifecycle, list_usage
from gateway.platform.governance.ownership import list_ownership
from gateway.platform.governance.plans import list_consumers, list_plans
from gateway.platform.governance.policy_sets import list_policy_sets, reload_policies, roll_back_policies
from gateway.platform.governance.shadow import (
    drop_policy_candidate,
    get_policy_candidate,
    list_policy_candidates,
    list_policy_differences,
    promote_policies,
    propose_policies,
)
from gateway.platform.governance.withdrawals import deny, flush_keys, lift_denial, list_denials

__all__ = [
    "deny",
    "drop_policy_candidate",
    "explain_call",
    "flush_keys",
    "get_decision",
    "get_policy_candidate",
    "lift_denial",
    "list_consumers",
    "list_decisions",
    "list_denials",
    "list_lifecycle",
    "list_ownership",
    "list_plans",
    "list_policy_candidates",
    "list_policy_differences",
    "list_policy_sets",
    "list_usage",
    "promote_policies",
    "propose_policies",
    "reload_policies",
    "roll_back_policies",
]
