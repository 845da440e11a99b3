"""The chapters about money: time becomes postings, a hold stops an invoice, and a released invoice is posted once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from examples.demo import orders
from examples.demo.crm import Crm
from examples.demo.people import Desks, Work
from examples.demo.telling import chapter, say

Document = dict[str, Any]

TRANSFER = "/process/time-transfer/v1"
HOLDS = "/process/billing-holds/v2/holds"
RELEASE = "/process/invoice-release/v1"
PROJECT = "P-0001"


class Office(NamedTuple):
    """Who plays: the gateway's caller, people at their desks in the PSA, and the PSA's connection."""

    caller: Crm
    desks: Desks
    psa: str


def work_done() -> list[Work]:
    """Return last month's work on the project: two people, four entries, one of them of twenty minutes."""
    first, _ = orders.last_month()
    days = [first.replace(day=day) for day in (3, 4, 5)]
    return [
        Work("Ana Ruiz", "Build", days[0], 450, "Interface of the loader"),
        Work("Ana Ruiz", "Build", days[1], 405, "Price list import"),
        Work("Ben Okafor", "Build", days[1], 240, "Review of the data model"),
        Work("Ben Okafor", "Build", days[2], 20, "Call about the cut-over"),
    ]


def time_becomes_postings(office: Office) -> bool:
    """Show approved time in the ledger, minutes after it was approved, and in the PSA what became of it."""
    chapter(7, "Time becomes postings", "Ana and Ben have booked last month's work; Chloe approves it in the PSA.")
    entries = [office.desks.book(PROJECT, work) for work in work_done()]
    office.desks.approve(entries)
    for work in work_done():
        say(f"{work.day}  {work.person:<11} {work.minutes:>4} min  {work.text}")
    run = transfer(office)
    say(f"The run is {run['state']}: {run['counts']['posted']} posted, {run['counts']['rejected']} refused.")
    for entry in entries:
        path = f"{TRANSFER}/entries?connection={office.psa}&external_id={entry}"
        (shown,) = office.caller.get(path).json()["items"]
        say(f"#{entry}: {shown['transfer']}, {amount(shown['amount'])}. In the PSA: {office.desks.shown(entry)}")
    return bool(run["state"] == "completed" and run["counts"]["posted"] == len(entries))


def transfer(office: Office) -> Document:
    """Return a run over what has changed, once it rests."""
    answer = office.caller.create(f"{TRANSFER}/runs", {"connection": office.psa})
    answer.raise_for_status()
    return office.caller.follow(answer.headers["Location"])


def a_hold(office: Office) -> bool:
    """Show a hold that is placed before the release: the release is refused, with the hold, and nothing is sent."""
    chapter(8, "A hold", "The customer asks about an hour. The CRM places a hold; finance releases all the same.")
    project = project_of(office)
    hold = {
        "scope": {"type": "project", "id": project["id"]},
        "reason_code": "dispute",
        "note": "Asks about the review.",
    }
    placed = office.caller.create(HOLDS, {**hold, "reference": "CASE-77"})
    say(f"The hold is {placed.json()['state']}, its outcome {placed.json()['outcome']}.")
    (request,) = release(office, project)["requests"]
    say(f"The release: {request['state']}, {request['code']}. {request['detail']}")
    held = office.desks.held(PROJECT)
    say(f"In the PSA the project is shown as held: {held}.")
    return request["state"] == "held" and request["invoice"] is None and held


def the_invoice(office: Office) -> bool:
    """Show the hold lifted, a milestone approved, and all of it on one invoice, posted and told in the PSA."""
    chapter(9, "The invoice", "The question is answered: the CRM lifts its hold. The design is accepted, too.")
    project = project_of(office)
    (hold,) = office.caller.get(f"{HOLDS}?project={project['id']}&state=in_force").json()["items"]
    office.caller.create(f"{HOLDS}/{hold['id']}/lift", {"reason": "Answered."}).raise_for_status()
    milestones = office.caller.get(f"{RELEASE}/milestones?project={project['id']}").json()["items"]
    design = next(one for one in milestones if one["name"] == "Design accepted")
    approval = {"achieved_on": str(orders.last_month()[1]), "evidence": "Protocol of acceptance"}
    office.caller.create(f"{RELEASE}/milestones/{design['id']}/approve", approval).raise_for_status()
    (request,) = release(office, project)["requests"]
    invoice = request["invoice"] or {}
    if request["state"] != "posted":
        say(f"It is {request['state']}: {request['code']} {request['detail']}")
        return False
    say(f"{invoice['number']} of {invoice['date']}: {amount(invoice['net'])} net, {amount(invoice['tax'])} VAT.")
    say(f"In the PSA: {office.desks.told(PROJECT).splitlines()[-1]}")
    return True


def amount(money: Document) -> str:
    """Return money as people write it."""
    return f"{money['amount']} {money['currency']}"


def project_of(office: Office) -> Document:
    """Return the project of the story, as a portal sees it."""
    (project,) = office.caller.get(f"/process/status/v1/project-statuses?code={PROJECT}").json()["items"]
    found: Document = project
    return found


def release(office: Office, project: Document) -> Document:
    """Return what became of a release of last month's work, once it rests."""
    wanted = {"legal_entity": "ES01", "projects": [project["id"]], "through": str(orders.last_month()[1])}
    answer = office.caller.create(f"{RELEASE}/releases", wanted)
    answer.raise_for_status()
    return office.caller.follow(answer.headers["Location"])


CHAPTERS: tuple[Callable[[Office], bool], ...] = (time_becomes_postings, a_hold, the_invoice)
