"""What exists for calls of `platform/governance/v1`: denials, decisions, a set of policies to go back to."""

from pathlib import Path

from schemathesis import Case

from tests.contracts.harness import Harness, Prepare
from tests.contracts.pools import list_from_the_start

NOBODY = "nobody-at-all"
"""A client that is denied without anybody missing it."""


class Governing:
    """Sets, candidates, denials and decisions of one installation, whose policy files lie in a folder."""

    def __init__(self, harness: Harness, policies: Path) -> None:
        self._harness, self._policies, self._numbers = harness, policies, iter(range(10_000))

    def prepare(self) -> dict[str, Prepare]:
        """Return what makes each operation's calls succeed."""
        return {
            "explain_call": self._explain,
            "list_plans": self._filter,
            "list_policy_sets": list_from_the_start,
            "reload_policies": self._reload,
            "roll_back_policies": self._step_forward,
            "list_policy_candidates": list_from_the_start,
            "propose_policies": self._propose,
            "get_policy_candidate": self._name_candidate,
            "drop_policy_candidate": self._name_candidate,
            "list_policy_differences": self._differ,
            "promote_policies": self._name_candidate,
            "list_lifecycle": self._name_version,
            "list_usage": self._name_user,
            "list_denials": list_from_the_start,
            "deny": self._deny,
            "lift_denial": self._name_denial,
            "flush_keys": self._flush,
            "list_decisions": list_from_the_start,
            "get_decision": self._name_decision,
        }

    def _explain(self, case: Case) -> None:
        case.body = {"method": "GET", "target": "/process/status/v1/project-statuses/prj_1"}

    def _filter(self, case: Case) -> None:
        case.query = {"operation": "status"}

    def _name_version(self, case: Case) -> None:
        case.query = {"contract": "platform/governance/v1"}

    def _name_user(self, case: Case) -> None:
        case.query = {"contract": "platform/governance/v1", "going_away": "false", "limit": 2}

    def _reload(self, _case: Case) -> None:
        """Write other policy files each time."""
        (self._policies / "95-tried.yaml").write_text(f"policies: []  # {next(self._numbers)}")

    def _step_forward(self, case: Case) -> None:
        self._reload(case)
        self._harness.ask("POST", "/policy-reloads")

    def _propose(self, case: Case) -> None:
        case.body = {"files": self._files()}

    def _files(self) -> dict[str, str]:
        """Return files that nobody has proposed before."""
        files = {path.name: path.read_text() for path in self._policies.glob("*.yaml")}
        return files | {"95-tried.yaml": f"policies: []  # {next(self._numbers)}"}

    def _name_candidate(self, case: Case) -> None:
        proposed = self._harness.ask("POST", "/policy-candidates", {"files": self._files()})
        case.path_parameters["candidate_id"] = proposed["id"]

    def _differ(self, case: Case) -> None:
        self._name_candidate(case)
        case.query = {"limit": 1}

    def _deny(self, case: Case) -> None:
        case.body = {"kind": "client", "value": NOBODY, "reason": "Tried out."}

    def _name_denial(self, case: Case) -> None:
        case.path_parameters["denial_id"] = self._denied()

    def _denied(self) -> str:
        new = {"kind": "token", "value": f"jti-{next(self._numbers)}", "reason": "Tried out."}
        return str(self._harness.ask("POST", "/denials", new)["id"])

    def _flush(self, case: Case) -> None:
        case.body = {}

    def _name_decision(self, case: Case) -> None:
        self._denied()  # A write, hence written down.
        case.path_parameters["decision_id"] = self._harness.ask("GET", "/decisions?limit=1")["items"][0]["id"]
