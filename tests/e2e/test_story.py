"""A signed statement of work, from the call to the books of two real systems: both pairs of databases, either PSA."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from examples.demo import orders
from examples.demo.story import open_department
from tests.e2e.conftest import Live

ONBOARDINGS = "/process/project-onboarding/v1/onboardings"


def signed(department: str = "CONS", **customer: str) -> dict[str, Any]:
    """Return a statement of work that nobody has posted yet, for a customer that nobody has."""
    tag = uuid.uuid4().hex[:10]
    mine = {"account": f"A-{tag}", "name": f"Firm {tag}", "legal_name": f"Firm {tag} S.L.", **customer}
    new = {**orders.HARBOUR, **mine, "no_tax_id_reason": "applied_for"}
    return orders.statement_of_work(tag, {k: v for k, v in new.items() if k != "tax_id"}, f"Project {tag}", department)


def keys_of(body: dict[str, Any]) -> dict[str, str]:
    """Return the permanent keys of the documents that the onboarding makes."""
    opportunity, account = body["opportunity"]["id"], body["customer"]["account"]
    project = f"prj_northstar_{opportunity}"
    return {"customer": f"cus_northstar_{account}", "psa": f"{project}_psa", "erp": f"{project}_erp"}


def counted(live: Live, body: dict[str, Any]) -> dict[str, int]:
    """Return how many of each document the systems' own books hold, inactive ones included."""
    keys, anyhow = keys_of(body), ["active", "in", [True, False]]
    key = f"%key: {keys['erp']}%"
    return {
        "customers": len(live.erp.find("party.party", [["code", "=", keys["customer"]], anyhow], "name")),
        "ledger": len(live.erp.find("analytic_account.account", [["note", "like", key], anyhow], "name")),
        "delivery": live.projects_in_delivery(keys["psa"]),
    }


def test_signed_statement_of_work_becomes_one_of_each_in_both_systems(live: Live) -> None:
    body = signed()

    accepted = live.crm.onboard(body)
    onboarding = live.crm.follow(accepted.headers["Location"])

    assert (accepted.status_code, onboarding["state"]) == (HTTPStatus.ACCEPTED, "active")
    assert counted(live, body) == {"customers": 1, "ledger": 1, "delivery": 1}
    code = onboarding["project"]["code"]
    (account,) = live.erp.find("analytic_account.account", [["code", "=", code]], "state", "parent.code")
    assert (account["state"], account["parent."]["code"]) == ("opened", "DEP-CONS")


def test_twenty_posts_at_once_make_one_process_and_one_project(live: Live) -> None:
    body, same_key = signed(), str(uuid.uuid4())
    keys = [same_key if n % 2 else str(uuid.uuid4()) for n in range(20)]

    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda key: live.crm.onboard(body, key=key), keys))

    met = [answer for answer in answers if answer.status_code == HTTPStatus.ACCEPTED]
    others = {answer.json()["code"] for answer in answers if answer.status_code != HTTPStatus.ACCEPTED}
    assert len({answer.json()["id"] for answer in met}) == 1
    assert others <= {"idempotency.in_progress"}, "The same key is told that its first call is under way."
    live.crm.follow(met[0].headers["Location"])
    assert counted(live, body) == {"customers": 1, "ledger": 1, "delivery": 1}


def test_stored_answer_is_replayed_and_another_body_under_the_key_refused(live: Live) -> None:
    body, key = signed(), str(uuid.uuid4())
    first, again = live.crm.onboard(body, key=key), live.crm.onboard(body, key=key)

    other = live.crm.onboard({**body, "payment_terms": "immediate"}, key=key)

    assert first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reuse_mismatch")
    live.crm.follow(first.headers["Location"])


def test_another_payload_under_the_business_key_is_a_conflict_that_names_the_process(live: Live) -> None:
    body = signed()
    first = live.crm.onboard(body)

    other = live.crm.onboard({**body, "payment_terms": "immediate"})

    assert (other.status_code, other.json()["code"]) == (409, "process.payload_conflict")
    assert other.json()["process_id"] == first.json()["id"]
    live.crm.follow(first.headers["Location"])


def test_dry_run_shows_the_steps_and_writes_nothing(live: Live) -> None:
    body = signed()

    answer = live.crm.call("POST", f"{ONBOARDINGS}?dry_run=true", body, key=str(uuid.uuid4()))

    assert answer.status_code == HTTPStatus.OK
    assert {"create_customer", "create_project", "open_project"} <= {step["name"] for step in answer.json()["steps"]}
    assert counted(live, body) == {"customers": 0, "ledger": 0, "delivery": 0}


def test_late_refusal_parks_with_a_work_item_and_goes_on_once_mended(live: Live) -> None:
    department = f"D{uuid.uuid4().hex[:6].upper()}"
    body = signed(department)
    parked = live.crm.follow(live.crm.onboard(body).headers["Location"])
    item = live.crm.call("GET", f"/platform/operations/v1/work-items/{parked['work_items'][0]}").json()
    open_department(live.erp, department, "New department")

    resumed = live.crm.call("POST", f"{ONBOARDINGS}/{parked['id']}/resume", {"note": "Opened."})

    assert (parked["state"], item["code"]) == ("parked", "dimension.invalid_combination")
    assert (item["owner_queue"], item["amount_at_risk"]) == ("Finance Ops", {"amount": "48000.00", "currency": "EUR"})
    assert live.crm.follow(resumed.headers["Location"])["state"] == "active"
    after = live.crm.call("GET", f"/platform/operations/v1/work-items/{item['id']}").json()
    assert (after["state"], after["resolved_by"]) == ("resolved", "developer")
    assert counted(live, body) == {"customers": 1, "ledger": 1, "delivery": 1}


def test_cancel_leaves_nothing_active_and_a_new_attempt_takes_up_what_is_there(live: Live) -> None:
    department = f"D{uuid.uuid4().hex[:6].upper()}"
    body = signed(department)
    parked = live.crm.follow(live.crm.onboard(body).headers["Location"])

    live.crm.call("POST", f"{ONBOARDINGS}/{parked['id']}/cancel")
    cancelled = live.crm.follow(f"{ONBOARDINGS}/{parked['id']}")

    assert cancelled["state"] == "cancelled"
    (customer,) = live.erp.find(
        "party.party", [["code", "=", keys_of(body)["customer"]], ["active", "in", [True, False]]], "active"
    )
    assert not customer["active"]
    open_department(live.erp, department, "New department")
    again = live.crm.follow(live.crm.onboard(body).headers["Location"])
    assert (again["state"], again["attempt"]) == ("active", 2)
    assert counted(live, body) == {"customers": 1, "ledger": 1, "delivery": 1}


def test_duplicate_customer_is_asked_about_and_linked_by_decision(live: Live) -> None:
    body = signed(account=f"B-{uuid.uuid4().hex[:8]}", name="Birch Logistics", legal_name="Birch Logistics")

    refused = live.crm.onboard(body)
    candidate = refused.json()["candidates"][0]
    body["customer"]["link_to"] = candidate["external_id"]
    linked = live.crm.follow(live.crm.onboard(body).headers["Location"])

    assert (refused.status_code, refused.json()["code"]) == (409, "customer.duplicate_candidate")
    assert linked["state"] == "active"
    assert counted(live, body)["customers"] == 0, "The customer was there before us and gets no key."


def test_status_is_found_by_code_and_by_a_systems_own_id(live: Live) -> None:
    onboarding = live.crm.follow(live.crm.onboard(signed()).headers["Location"])
    (delivery,) = [one for one in onboarding["cross_references"] if one["connection"] == live.delivery]

    statuses = "/process/status/v1/project-statuses"
    by_code = live.crm.call("GET", f"{statuses}?code={onboarding['project']['code']}").json()["items"]
    by_id = live.crm.call("GET", f"{statuses}?connection={live.delivery}&external_id={delivery['external_id']}").json()[
        "items"
    ]

    assert [one["id"] for one in by_code] == [one["id"] for one in by_id] == [onboarding["project"]["id"]]
    assert {one["connection"]: one["state"] for one in by_code[0]["systems"]} == {
        "books": "active",
        live.delivery: "open",
    }
    assert not by_code[0]["stale"]


def test_portal_sees_its_own_project_and_is_told_nothing_of_others(live: Live) -> None:
    mine, other = (live.crm.follow(live.crm.onboard(signed()).headers["Location"]) for _ in range(2))
    statuses = "/process/status/v1/project-statuses"

    with live.client("--project", mine["project"]["id"], "--scope", "status:read") as portal:
        seen = portal.get(f"{statuses}/{mine['project']['id']}")
        hidden = portal.get(f"{statuses}/{other['project']['id']}")
        listed = portal.get(statuses).json()["items"]
        by_code = portal.get(statuses, params={"code": other["project"]["code"]}).json()["items"]
        system = portal.get("/system/books/erp/v1/capabilities")

    assert (seen.status_code, hidden.status_code) == (200, 404)
    assert [one["id"] for one in listed] == [mine["project"]["id"]]
    assert by_code == []
    assert system.status_code == HTTPStatus.FORBIDDEN
