"""What governance changes, changed: a denial, another set, keys; and what clients are told of getting tokens."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.counters import CountersAway
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

BASE = "/platform/governance/v1"
STATUSES = "/process/status/v1/project-statuses"
STATUS = f"{STATUSES}/prj_01KB0Q3V8X5N7E9RZ2M4T6W8YA"
METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    async with product_on_fakes(tmp_path, FakeErp(), FakePsa()) as composed:
        await composed.parts.in_force.start()
        yield composed


async def test_denied_client_is_refused_from_its_next_request_on_until_the_denial_is_lifted(product: Product) -> None:
    async with product.client("ops") as ops, product.client("portal") as portal:
        before = await portal.get(STATUS)
        denial = await ops.post(f"{BASE}/denials", json={"kind": "client", "value": "portal", "reason": "Seen."})
        meanwhile = await portal.get(STATUS)
        lifted = await ops.delete(f"{BASE}/denials/{denial.json()['id']}")
        await ops.get(f"{BASE}/denials")  # A process hears of it with the next call that it accepts.
        after = await portal.get(STATUS)

    assert [answer.status_code for answer in (before, denial, meanwhile, lifted, after)] == [404, 201, 401, 200, 404]
    assert lifted.json() == denial.json()


async def test_withdrawal_that_others_were_not_told_of_says_so_until_they_are(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_names: object) -> None:
        raise CountersAway

    denial = {"kind": "client", "value": "portal", "reason": "Seen."}
    async with product.client("ops") as ops:
        with monkeypatch.context() as patched:
            patched.setattr(product.parts.counters, "move", away)
            refused = await ops.post(f"{BASE}/denials", json=denial)
            unflushed = await ops.post(f"{BASE}/key-flushes", json={})
        listed = (await ops.get(f"{BASE}/denials")).json()["items"]
        again = await ops.post(f"{BASE}/denials", json=denial)
        flushed = await ops.post(f"{BASE}/key-flushes", json={})

    assert [answer.status_code for answer in (refused, unflushed, again, flushed)] == [503, 503, 201, 200]
    problems = [(answer.json()["code"], answer.json()["outcome"]) for answer in (refused, unflushed)]
    assert problems == [("withdrawal.untold", "applied")] * 2
    assert refused.headers["retry-after"] == "1"
    assert [one["id"] for one in listed] == [again.json()["id"]], "It is kept all the same, and stays one."


async def test_policies_that_others_were_not_told_of_are_in_force_here_and_say_so_until_they_are(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_names: object) -> None:
        raise CountersAway

    folder = product.settings.path("policies")
    own = "policies: [{kind: consumer, client_id: portal, owner: Care, apis: ['platform/*']}]"
    files = {path.name: path.read_text() for path in folder.glob("*.yaml")} | {"95-own.yaml": own}
    async with product.client("ops") as ops, product.client("portal") as portal:
        candidate = (await ops.post(f"{BASE}/policy-candidates", json={"files": files})).json()
        asked = [f"{BASE}/policy-candidates/{candidate['id']}/promote", f"{BASE}/policy-rollbacks"]
        answers, seen = [], []
        for address in asked:
            with monkeypatch.context() as patched:
                patched.setattr(product.parts.counters, "move", away)
                answers += [await ops.post(address), await ops.post(address)]
            answers.append(await ops.post(address))
            seen.append((await portal.get(STATUS)).status_code)
        once_more = [await ops.post(address) for address in asked]
        (folder / "96-own.yaml").write_text("policies: []")
        with monkeypatch.context() as patched:
            patched.setattr(product.parts.counters, "move", away)
            unread = await ops.post(f"{BASE}/policy-reloads")
        loaded = await ops.post(f"{BASE}/policy-reloads")

    assert [answer.status_code for answer in answers] == [503, 503, 200] * 2
    assert {(answer.json()["code"], answer.json()["outcome"]) for answer in (*answers[:2], *answers[3:5], unread)} == {
        ("withdrawal.untold", "applied")
    }
    assert seen == [403, 404]
    assert [answer.json()["changed"] for answer in (answers[2], answers[5], loaded)] == [False] * 3
    assert [answer.json()["code"] for answer in once_more] == ["policy_candidate.ended", "policy_set.no_previous"]


async def test_stranger_is_listed_with_its_address_and_a_client_without(product: Product) -> None:
    async with product.client("ops") as ops, product.client("portal", scopes=()) as portal:
        await portal.get(STATUS)
        await portal.get(STATUS, headers={"Authorization": "Bearer forged"})
        found = (await ops.get(f"{BASE}/decisions")).json()["items"]
        one = (await ops.get(f"{BASE}/decisions/{found[0]['id']}")).json()

    assert [(each["client_id"], each["address"]) for each in found] == [(None, "127.0.0.1"), ("portal", None)]
    assert one == found[0]


async def test_denial_that_would_never_hold_is_refused(product: Product) -> None:
    body = {"kind": "client", "value": "portal", "reason": "Late.", "until": "2020-01-01T00:00:00Z"}
    async with product.client("ops") as ops:
        answer = await ops.post(f"{BASE}/denials", json=body)

    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/until"]


async def test_loaded_rows_hold_with_the_next_request_and_bad_ones_are_named(product: Product) -> None:
    own = product.settings.path("policies") / "95-own.yaml"
    async with product.client("ops") as ops:
        own.write_text("policies: [{kind: consumer, client_id: portal, owner: Care, apis: ['platform/*']}]")
        loaded = (await ops.post(f"{BASE}/policy-reloads")).json()
        async with product.client("portal") as portal:
            refused = await portal.get(STATUS)
        consumers = (await ops.get(f"{BASE}/consumers")).json()
        own.write_text("policies: [{kind: consumer, client_id: portal}]")
        bad = (await ops.post(f"{BASE}/policy-reloads")).json()
        back = (await ops.post(f"{BASE}/policy-rollbacks")).json()
        sets = (await ops.get(f"{BASE}/policy-sets")).json()["items"]

    assert (loaded["changed"], loaded["restart_needed"]) == (True, [])
    assert refused.json()["code"] == "auth.api_not_allowed"
    assert consumers["policy_set"] == loaded["policy_set"]["id"]
    assert [(one["client_id"], one["file"]) for one in consumers["items"]][-1] == ("portal", "95-own.yaml")
    assert (bad["code"], bad["errors"][0]["pointer"]) == ("policy_set.invalid", "#/95-own.yaml/policies/0")
    assert [one["state"] for one in sets] == ["withdrawn", "live"]
    assert back["policy_set"]["id"] == sets[1]["id"]


async def test_candidate_is_counted_per_client_then_promoted_and_rolled_back(product: Product) -> None:
    folder = product.settings.path("policies")
    files = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    files["95-own.yaml"] = "policies: [{kind: consumer, client_id: portal, owner: Care, apis: ['platform/*']}]"
    async with product.client("ops") as ops, product.client("portal") as portal:
        bad = (await ops.post(f"{BASE}/policy-candidates", json={"files": files | {"99.yaml": "policies: 1"}})).json()
        candidate = (await ops.post(f"{BASE}/policy-candidates", json={"files": files})).json()
        address = f"{BASE}/policy-candidates/{candidate['id']}"
        tried = [(await portal.get(STATUS)).status_code for _ in range(3)]
        counted = (await ops.get(address)).json()
        differences = (await ops.get(f"{address}/differences?client_id=portal")).json()
        others = (await ops.get(f"{address}/differences?client_id=crm")).json()
        promoted = await ops.post(f"{address}/promote")
        closed = await portal.get(STATUS)
        again = await ops.post(f"{address}/promote")
        await ops.post(f"{BASE}/policy-rollbacks")
        back = await portal.get(STATUS)

    assert (bad["code"], bad["errors"][0]["pointer"]) == ("policy_set.invalid", "#/99.yaml")
    assert tried == [404] * 3
    assert (candidate["state"], candidate["compared"], candidate["not_tried"]) == ("open", 0, None)
    assert (counted["compared"], counted["differing"]) == (3, 3)
    assert [(one["live"], one["candidate"], one["count"]) for one in differences["items"]] == [
        ("passes", "refused 403 auth.api_not_allowed", 3)
    ]
    assert (differences["compared"], differences["differing"], others["items"]) == (3, 3, [])
    assert promoted.json()["changed"] is True
    assert promoted.json()["policy_set"]["note"].startswith(f"Tried as {candidate['id']}")
    assert closed.json()["code"] == "auth.api_not_allowed"
    assert (again.status_code, again.json()["code"]) == (409, "policy_candidate.ended")
    assert back.status_code == 404


async def test_dates_of_a_version_are_tried_with_the_rows(product: Product) -> None:
    files = {path.name: path.read_text() for path in product.settings.path("policies").glob("*.yaml")}
    life = "process/status/v1: {deprecated_at: 2020-01-01T00:00:00Z, sunset_at: 2020-07-01T00:00:00Z}"
    async with product.client("ops") as ops, product.client("portal") as portal:
        bad = files | {"lifecycle.yaml": life.replace("2020-07-01", "2019-07-01")}
        refused = await ops.post(f"{BASE}/policy-candidates", json={"files": bad})
        proposed = await ops.post(f"{BASE}/policy-candidates", json={"files": files | {"lifecycle.yaml": life}})
        before = await portal.get(STATUS)
        differences = (await ops.get(f"{proposed.headers['location']}/differences")).json()["items"]
        await ops.post(f"{proposed.headers['location']}/promote")
        after = await portal.get(STATUS)

    assert [error["pointer"].split("/")[1] for error in refused.json()["errors"]] == ["lifecycle.yaml"]
    assert (before.status_code, "sunset" in before.headers) == (404, False)
    assert [(one["client_id"], one["candidate"]) for one in differences] == [("portal", "refused 410 version.sunset")]
    assert (after.status_code, after.json()["code"]) == (410, "version.sunset")


async def test_candidate_that_is_given_up_is_tried_no_longer_and_stays_in_the_list(product: Product) -> None:
    files = {path.name: path.read_text() for path in product.settings.path("policies").glob("*.yaml")}
    async with product.client("ops") as ops:
        proposed = await ops.post(f"{BASE}/policy-candidates", json={"files": files})
        dropped = await ops.delete(proposed.headers["location"])
        listed = (await ops.get(f"{BASE}/policy-candidates")).json()["items"]
        again = await ops.delete(proposed.headers["location"])
    async with product.client("portal", customers=("cus_1",)) as portal:
        limited = await portal.get(proposed.headers["location"])

    assert proposed.status_code == 201
    assert (dropped.json()["state"], dropped.json()["ended_by"]) == ("dropped", "ops")
    assert [one["id"] for one in listed] == [proposed.json()["id"]]
    assert again.json()["code"] == "policy_candidate.ended"
    assert limited.json()["code"] == "auth.entity_not_allowed"


async def test_token_that_is_limited_is_explained_itself_and_no_other(product: Product) -> None:
    call = {"method": "GET", "target": STATUS}
    async with product.client("portal", customers=("cus_1",)) as portal, product.client("ops") as ops:
        tokens = [one.headers["authorization"].removeprefix("Bearer ") for one in (portal, ops)]
        own = [await portal.post(f"{BASE}/explanations", json=body) for body in (call, call | {"token": tokens[0]})]
        others = await portal.post(f"{BASE}/explanations", json=call | {"token": tokens[1]})
        portals = await ops.post(f"{BASE}/explanations", json=call | {"token": tokens[0]})

    assert [answer.json()["caller"]["customers"] for answer in own] == [["cus_1"]] * 2
    assert (others.status_code, others.json()["code"]) == (403, "auth.entity_not_allowed")
    assert portals.json()["caller"]["client_id"] == "portal"


async def test_refusal_is_looked_up_by_its_decision(product: Product) -> None:
    async with product.client("crm", scopes=("customers:read",)) as crm, product.client("ops") as ops:
        refused = (await crm.get(STATUS)).json()
        decision_id = refused["instance"].rpartition(":")[2]
        decision = (await ops.get(f"{BASE}/decisions/{decision_id}")).json()
        listed = (await ops.get(f"{BASE}/decisions?client_id=crm&code=auth.scope_missing")).json()["items"]

    assert (decision["client_id"], decision["code"], decision["status"]) == ("crm", "auth.scope_missing", 403)
    assert listed == [decision]


async def test_token_in_an_explanation_is_explained_and_never_repeated(product: Product) -> None:
    async with product.client("ops") as ops, product.client("crm", scopes=("status:read",)) as crm:
        token = crm.headers["authorization"].removeprefix("Bearer ")
        told = await ops.post(
            f"{BASE}/explanations", json={"method": "GET", "target": "/system/books/erp/v1/customers", "token": token}
        )
        own = await ops.post(f"{BASE}/explanations", json={"method": "GET", "target": STATUS})

    assert (told.json()["outcome"]["code"], told.json()["caller"]["client_id"]) == ("auth.scope_missing", "crm")
    assert token not in told.text
    assert (own.json()["outcome"]["status"], own.json()["caller"]["client_id"]) == (None, "ops")


async def test_keys_are_fetched_anew_and_told_by_issuer(product: Product) -> None:
    async with product.client("ops") as ops:
        flushed = (await ops.post(f"{BASE}/key-flushes", json={})).json()["issuers"]
        named = await ops.post(f"{BASE}/key-flushes", json={"issuer": flushed[0]["issuer"]})
        unknown = await ops.post(f"{BASE}/key-flushes", json={"issuer": "https://nobody.example"})

    assert (len(flushed), flushed[0]["fault"], len(flushed[0]["keys"])) == (1, None, 1)
    assert named.json()["issuers"] == flushed
    assert unknown.status_code == 404


async def test_every_challenge_leads_to_what_a_client_needs(product: Product) -> None:
    """RFC 9728 §3 and §5.1, RFC 6750 §3."""
    async with product.stranger() as stranger, product.client("crm", scopes=("customers:read",)) as crm:
        refusals = [await stranger.get(STATUS), await stranger.get("/system/nothing"), await crm.get(STATUS)]
        leads = [answer.headers["www-authenticate"].partition('resource_metadata="')[2] for answer in refusals]
        documents = [await stranger.get(httpx.URL(lead.partition('"')[0]).path) for lead in leads]

    api, whole, again = [document.json() for document in documents]
    assert api == again
    assert api["resource"].endswith("/process/status/v1")
    assert httpx.URL(leads[0].partition('"')[0]).path == f"{METADATA}/process/status/v1"
    assert httpx.URL(leads[1].partition('"')[0]).path == METADATA
    assert set(api["scopes_supported"]) < set(whole["scopes_supported"])
    assert api["bearer_methods_supported"] == ["header"]
    assert whole["authorization_servers"] == [issuer.issuer for issuer in product.settings.issuers]
