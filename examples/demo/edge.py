"""`make demo CHAPTER=edge`: what stands before the ERP: quotas, refusals explained, views, denials, an outage.

A chapter shows what callers get, header by header, and returns whether it was what a platform team would expect.
"""

import re
import time
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from examples.demo.commands import show, tiebeam
from examples.demo.hazards import Hazards, hazards, ready_to_invoice
from examples.demo.stage import token
from examples.demo.telling import chapter, paint, say, summary, verdict
from examples.servers.tcp_proxy import Fault

STATUS: Final = "/process/status/v1/project-statuses"
GOVERNANCE: Final = "/platform/governance/v1"
QUOTA: Final = 4
WINDOW_S: Final = 8
ROWS: Final = f"""\
policies:
  - kind: consumer
    client_id: reporting
    owner: Business Intelligence
    tier: bronze
  - kind: rate_limit
    match: {{tiers: [bronze]}}
    per: client
    limit: {QUOTA}
    window_s: {WINDOW_S}
    when_unavailable: refuse
"""
SHOWN: Final = ("ratelimit-policy", "ratelimit", "retry-after", "cache-status", "age", "www-authenticate")
PROJECTS: Final = 2
OUTAGE_S: Final = 3
CODES: Final = re.compile(r"auth\.[a-z_]+")

Document = dict[str, Any]


def play(*, verbose: bool) -> bool:
    """Return whether every chapter showed what it should."""
    with hazards(verbose=verbose) as stage:
        ours, theirs = ready_to_invoice(stage, PROJECTS)
        outcomes = {
            "a quota": a_quota(stage, ours),
            "a refusal explained": a_refusal_explained(stage),
            "a portal's view": a_portals_view(stage, ours, theirs),
            "a token withdrawn": a_token_withdrawn(stage, ours),
            "the ERP away": the_erp_away(stage, ours),
        }
    return summary(outcomes, well="The edge held.", ill="It did not hold.")


def a_quota(stage: Hazards, project: Document) -> bool:
    """Show a quota that is added without a restart, used up, told of and given back."""
    chapter(1, "A quota in action", f"A file of rows gives the tier bronze {QUOTA} calls in {WINDOW_S} s; no restart.")
    (stage.config.parent / "policies" / "90-bronze.yaml").write_text(ROWS)
    say(tiebeam(stage.config, "policies", "reload").splitlines()[-1])
    stage.caller.get(STATUS)
    own = token(stage.config, "--client", "reporting")  # Meanwhile the process that heard of it has followed.
    answers = [_asked(stage, own, f"{STATUS}/{project['id']}") for _ in range(QUOTA + 1)]
    last = answers[-1]
    time.sleep(int(last.headers.get("retry-after", "0")))
    say("After Retry-After:")
    again = _asked(stage, own, f"{STATUS}/{project['id']}")
    return all(
        [
            verdict("statuses", [200] * QUOTA + [429, 200], [answer.status_code for answer in [*answers, again]]),
            verdict("the problem names the quota", ["client"], last.json().get("violated-policies")),
        ]
    )


def a_refusal_explained(stage: Hazards) -> bool:
    """Show who is refused, and the rows that say why."""
    chapter(2, "Explain a refusal", "A portal's token asks a system API. The operator asks `tiebeam explain` why not.")
    portal = token(stage.config, "--client", "portal", "--customer", "cus_northstar_a-0")
    path = "/system/books/erp/v1/legal-entities"
    refused = _asked(stage, portal, path)
    told = tiebeam(stage.config, "explain", "GET", path, "--token", portal, expect=1)
    show(told)
    decision = refused.json()["instance"].rpartition(":")[2]
    row = stage.caller.get(f"{GOVERNANCE}/decisions/{decision}").json()
    return all(
        [
            verdict("refused with", "auth.system_api_closed", refused.json()["code"]),
            verdict("explained with the same", ["auth.system_api_closed"], CODES.findall(told)[-1:]),
            verdict("the decision in the audit log", ("portal", 403), (row["client_id"], row["status"])),
        ]
    )


def a_portals_view(stage: Hazards, ours: Document, theirs: Document) -> bool:
    """Show that a token limited to a customer sees that customer's project, and that no other exists for it."""
    chapter(3, "A portal's view", "A token limited to one customer sees its project and nothing else, cached or not.")
    customer = stage.caller.get(f"{STATUS}/{ours['id']}").json()["customer"]["id"]
    portal = token(stage.config, "--client", "portal", "--customer", customer, "--scope", "status:read")
    listed = _asked(stage, portal, STATUS).json()["items"]
    own, other = (_asked(stage, portal, f"{STATUS}/{project['id']}") for project in (ours, theirs))
    return all(
        [
            verdict("listed", [ours["code"]], [item["code"] for item in listed]),
            verdict("its own project", (200, ours["code"]), (own.status_code, own.json().get("code"))),
            verdict("another customer's", (404, "resource.not_found"), (other.status_code, other.json()["code"])),
        ]
    )


def a_token_withdrawn(stage: Hazards, project: Document) -> bool:
    """Show that a client is shut out by the next request, although its token and its answer are remembered."""
    chapter(4, "A token withdrawn", "A client's token leaked. One call denies the client; the next request knows.")
    leaked = token(stage.config, "--client", "leaked")
    path = f"{STATUS}/{project['id']}"
    before = [_asked(stage, leaked, path).status_code for _ in range(2)]
    wanted = {"kind": "client", "value": "leaked", "reason": "Its token stood in a log."}
    stage.caller.create(f"{GOVERNANCE}/denials", wanted).raise_for_status()
    after = _asked(stage, leaked, path)
    return verdict("statuses", [200, 200, 401], [*before, after.status_code])


def the_erp_away(stage: Hazards, project: Document) -> bool:
    """Show status that is answered without the ERP, and says so."""
    chapter(5, "The ERP away", "Nothing reaches Tryton's ledger. Status is still answered, and says how old it is.")
    own = token(stage.config, "--client", "dashboard")
    path = f"{STATUS}/{project['id']}"
    fresh = _asked(stage, own, path).json()
    rule = stage.line.inject(Fault.away, times=None)
    time.sleep(OUTAGE_S)  # What the edge keeps is over then.
    stale = _asked(stage, own, f"{path}?fresh=true")
    body = stale.json()
    say(f"The body says: stale {body['stale']}, as of {body['as_of']}")
    stage.line.lift(rule)
    return all(
        [
            verdict("status", 200, stale.status_code),
            verdict("stale before, and now", (False, True), (fresh["stale"], body["stale"])),
            verdict("seconds old, at least", OUTAGE_S, min(OUTAGE_S, int(_age_s(body["as_of"])))),
        ]
    )


def _age_s(instant: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds()


def _asked(stage: Hazards, bearer: str, path: str) -> httpx.Response:
    """Return the answer to somebody else's call, shown with the header fields that tell of the edge."""
    answer = stage.caller.call_as(bearer, "GET", path)
    for name in SHOWN:
        if name in answer.headers:
            say(paint(f"  {name}: {answer.headers[name]}", "dim"))
    return answer
