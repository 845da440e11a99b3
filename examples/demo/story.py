"""The chapters. Each says what it is about, shows it, and returns whether it went as it should."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from examples.demo import orders
from examples.demo.books import Tryton
from examples.demo.crm import Crm
from examples.demo.telling import chapter, say

Document = dict[str, Any]

MISTAKES = 5  # Those of `orders.full_of_mistakes`.


class Stage(NamedTuple):
    """Who plays: the CRM, and finance at her own desk in the ERP."""

    crm: Crm
    finance: Tryton


def onboarding(stage: Stage) -> bool:
    """Show how a signed statement of work becomes a customer and a project in two systems."""
    chapter(1, "Onboarding", "A statement of work is signed in the CRM. It posts it, and follows the process.")
    answer = stage.crm.onboard(orders.statement_of_work("0065", orders.HARBOUR, "Data platform", "CONS"))
    if answer.status_code != HTTPStatus.ACCEPTED:
        say(answer.text)
        return False
    done = stage.crm.follow(answer.headers["Location"])
    say(f"{done['project']['code']} is {done['state']}: the ledger takes postings, people can book time.")
    return bool(done["state"] == "active")


def the_same_again(stage: Stage) -> bool:
    """Show that a repeated request meets the process that there is."""
    chapter(2, "The same request again", "The CRM has forgotten that it asked. Another idempotency key, the same deed.")
    body = orders.statement_of_work("0065", orders.HARBOUR, "Data platform", "CONS")
    first, again = (stage.crm.onboard(body) for _ in range(2))
    customers = stage.finance.find("party.party", [["code", "=", "cus_northstar_A-1001"]], "name")
    say(f"Both met {first.json().get('id')}; Tryton has {len(customers)} customer with the key.")
    return first.status_code == HTTPStatus.ACCEPTED and first.json()["id"] == again.json()["id"] and len(customers) == 1


def a_duplicate(stage: Stage) -> bool:
    """Show a customer that exists already: refused with the candidate, then linked by a decision."""
    chapter(3, "A duplicate customer", "Alder Foods is in the ERP since last year. The CRM thinks it is new.")
    body = orders.statement_of_work("0071", orders.ALDER, "Warehouse review", "CONS")
    refused = stage.crm.onboard(body)
    problem = refused.json()
    if refused.status_code != HTTPStatus.CONFLICT:
        say(refused.text)
        return False
    candidate = problem["candidates"][0]
    say(f"{problem['code']}: #{candidate['external_id']} {candidate['name']}, {', '.join(candidate['reasons'])}.")
    say("Sales looks at it: it is the same firm. The CRM posts again, with the decision.")
    linked = {**body, "customer": {**body["customer"], "link_to": candidate["external_id"]}}
    accepted = stage.crm.onboard(linked)
    if accepted.status_code != HTTPStatus.ACCEPTED:
        say(accepted.text)
        return False
    return bool(stage.crm.follow(accepted.headers["Location"])["state"] == "active")


def a_late_refusal(stage: Stage) -> bool:
    """Show a refusal after much was done: parked with a work item, mended by finance, resumed."""
    chapter(4, "The ERP says no at a late step", "The department DATA is new, and not open in the ledger yet.")
    answer = stage.crm.onboard(orders.statement_of_work("0082", orders.HARBOUR, "Data mesh", "DATA"))
    if answer.status_code != HTTPStatus.ACCEPTED:
        say(answer.text)
        return False
    location, shown = answer.headers["Location"], set[str]()
    parked = stage.crm.follow(location, shown)
    if parked["state"] != "parked":
        say(f"It is {parked['state']}, and was expected to park.")
        return False
    item = stage.crm.call("GET", f"/platform/operations/v1/work-items/{parked['work_items'][0]}").json()
    money = item["amount_at_risk"]
    say(f"Work item for {item['owner_queue']}: {item['code']}, {money['amount']} {money['currency']} at risk.")
    say(f"   {item['detail']}  Until {item['deadline'][:16]}Z.")
    open_department(stage.finance, "DATA", "Data and analytics")
    say("Finance opens the department in Tryton, at her own desk, and resumes the work item.")
    path = f"/platform/operations/v1/work-items/{item['id']}/resume"
    stage.crm.call("POST", path, {"decision": {"note": "Department opened."}})
    return bool(stage.crm.follow(location, shown)["state"] == "active")


def open_department(finance: Tryton, code: str, name: str) -> None:
    """Open a department in the ledger, as finance would in Tryton itself."""
    root = finance.find("analytic_account.account", [["code", "=", "PRJ"], ["type", "=", "root"]], "company")[0]
    values = {"name": name, "code": f"DEP-{code}", "type": "view", "root": root["id"], "parent": root["id"]}
    finance.model("analytic_account.account", "create", [{**values, "state": "opened", "company": root["company"]}])


def a_bad_request(stage: Stage) -> bool:
    """Show that everything that is wrong is said at once, with its place."""
    chapter(5, "A bad request", "A float for money, a misspelt country, an unknown field, a missing manager.")
    answer = stage.crm.onboard(orders.full_of_mistakes())
    problem = answer.json()
    for violation in problem.get("errors", []):
        say(f"{violation['pointer']:<28} {violation['code']:<28} {violation['detail']}")
    return answer.status_code == HTTPStatus.BAD_REQUEST and len(problem["errors"]) >= MISTAKES


def status(stage: Stage) -> bool:
    """Show one project in every system that knows it."""
    chapter(6, "Status", "A portal asks where P-0001 stands.")
    answer = stage.crm.call("GET", "/process/status/v1/project-statuses?code=P-0001")
    (found,) = answer.json()["items"]
    for system in found["systems"]:
        age = f"as of {system['as_of']}{', stale' if system['stale'] else ''}"
        say(f"{system['connection']:<10} {system['vendor']:<8} #{system['external_id']:<4} {system['state']:<8} {age}")
    say(f"{found['code']} {found['name']} for {found['customer']['name']}: {found['state']}.")
    return bool(found["state"] == "active" and not found["blockers"])


CHAPTERS: tuple[Callable[[Stage], bool], ...] = (
    onboarding,
    the_same_again,
    a_duplicate,
    a_late_refusal,
    a_bad_request,
    status,
)
