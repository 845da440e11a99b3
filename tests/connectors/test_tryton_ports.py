"""What a running Tryton does too seldom: answers that get lost in between, races, and databases that are not ready."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused, Unavailable, Uncertain
from openapi.common.types import Address, Code
from openapi.system.erp.v1 import CustomerChange, NewAccountingProject, NewCustomer
from openapi.system.psa.v1 import NewProject, NewTask, ProjectCustomer, ProjectState
from system_apis.connectors import tryton
from system_apis.connectors.tryton.erp.examination import RIGHTS
from tests.connectors.scripted import CONNECTION, SETTINGS, ScriptedTryton, erp, psa

RECORDS = json.loads((Path(__file__).parent / "tryton/records.json").read_text())
PARTY, TEMPLATE, ACCOUNT = RECORDS["party"], RECORDS["template"], RECORDS["account"]
NEW_CUSTOMER = NewCustomer(
    business_key="cus_1",
    legal_entity="ES01",
    name="Alpha",
    country="ES",
    billing_address=Address(street="Gran Via 1", city="Madrid", country="ES"),
)
NEW_PROJECT = NewProject(
    business_key="prj_1",
    legal_entity="ES01",
    code="P-0042",
    name="Data platform",
    customer=ProjectCustomer(business_key="cus_1", name="Alpha"),
    start=date(2026, 12, 1),
)
AWAY = Unavailable(Code.upstream_unavailable, "away")


def refusal(code: Code) -> Refused:
    return Refused(code, "as Tryton says")


async def test_customer_that_was_made_and_not_read_back_is_uncertain() -> None:
    http = ScriptedTryton()
    http.plan("country.country.search", [1])
    http.plan("party.party.create", [7])
    http.plan("party.party.search_read", AWAY)

    with pytest.raises(Uncertain):
        await erp(http).create_customer(NEW_CUSTOMER)


async def test_customer_that_was_made_and_is_gone_is_uncertain() -> None:
    http = ScriptedTryton()
    http.plan("country.country.search", [1])
    http.plan("party.party.create", [7])
    http.plan("party.party.search_read", [])

    with pytest.raises(Uncertain):
        await erp(http).create_customer(NEW_CUSTOMER)


async def test_country_that_tryton_lacks_is_refused_before_anything_is_sent() -> None:
    http = ScriptedTryton()
    http.plan("country.country.search", [])

    with pytest.raises(Refused) as refused:
        await erp(http).create_customer(NEW_CUSTOMER)

    assert refused.value.code is Code.mapping_missing
    assert http.calls["party.party.create"] == 0


async def test_customer_of_another_entity_is_refused_before_anything_is_sent() -> None:
    http = ScriptedTryton()

    with pytest.raises(Refused) as refused:
        await erp(http).create_customer(replace(NEW_CUSTOMER, legal_entity="DE01"))

    assert refused.value.code is Code.entity_mapping_missing
    assert not http.sent


async def test_key_of_digits_is_looked_for_nowhere() -> None:
    http = ScriptedTryton()

    assert await erp(http).find_customer("12345") is None
    assert not http.sent


async def test_two_parties_with_one_code_are_a_break() -> None:
    http = ScriptedTryton()
    http.plan("party.party.search_read", [PARTY, PARTY])

    with pytest.raises(Refused) as refused:
        await erp(http).find_customer("cus_1")

    assert refused.value.code is Code.upstream_conflict_stale


@pytest.mark.parametrize("change", [CustomerChange(name="Alpha"), CustomerChange(name="Alpha", state="active")])
async def test_inactive_customer_is_changed_by_nothing_but_its_state(change: CustomerChange) -> None:
    http = ScriptedTryton()
    http.plan("party.party.search_read", [{**PARTY, "code": "cus_1", "active": 0}])

    with pytest.raises(Refused) as refused:
        await erp(http).update_customer("7", change, None)

    assert refused.value.code is Code.customer_inactive
    assert http.calls["party.party.write"] == 0


async def test_change_sends_the_stamps_of_all_that_was_read() -> None:
    http = ScriptedTryton()
    party = {**PARTY, "code": "cus_1"}
    http.always("party.party.search_read", [party])
    http.plan("party.party.write", None)
    port = erp(http)
    version = (await port.get_customer("7")).version

    await port.update_customer("7", CustomerChange(name="Alpha"), version)

    stamps = http.params("party.party.write")[-1]["_timestamp"]
    assert set(stamps) == {
        f"party.party,{party['id']}",
        *(f"party.address,{one['id']}" for one in party["addresses."]),
        *(f"party.identifier,{one['id']}" for one in party["identifiers."]),
    }


async def test_account_that_was_hidden_is_shown_before_it_is_opened() -> None:
    http = ScriptedTryton()
    http.plan("analytic_account.account.search_read", [{**ACCOUNT, "active": 0}], [ACCOUNT])
    http.always("analytic_account.account.write", None)

    await erp(http).activate_accounting_project("9")

    written = [params[1] for operation, params, _ in http.sent if operation.endswith(".write")]
    assert written == [{"active": True}, {"state": "opened"}]


@pytest.mark.parametrize("found", [[], [{**ACCOUNT, "type": "root", "state": "closed"}]])
async def test_ledger_without_an_opened_root_is_refused(found: list[dict[str, Any]]) -> None:
    http = ScriptedTryton()
    http.plan("analytic_account.account.search_read", found)
    new = NewAccountingProject(
        business_key="prj_1", legal_entity="ES01", code="P-1", name="Data", customer_id="7", dimensions=[]
    )

    with pytest.raises(Refused) as refused:
        await erp(http).create_accounting_project(new)

    assert refused.value.code is Code.mapping_missing


async def test_project_of_an_inactive_customer_is_refused() -> None:
    http = ScriptedTryton()
    http.plan("analytic_account.account.search_read", [{**ACCOUNT, "type": "root"}])
    http.plan("party.party.search_read", [{**PARTY, "code": "cus_1", "active": False}])
    new = NewAccountingProject(
        business_key="prj_1", legal_entity="ES01", code="P-1", name="Data", customer_id="7", dimensions=[]
    )

    with pytest.raises(Refused) as refused:
        await erp(http).create_accounting_project(new)

    assert refused.value.code is Code.customer_inactive


async def test_customer_whom_two_make_at_once_is_taken_by_the_second() -> None:
    http = ScriptedTryton()
    http.plan("party.party.search", [], [7])
    http.plan("party.party.create", refusal(Code.upstream_conflict_stale))
    http.plan("project.work.create", [TEMPLATE[0]["id"]])
    http.plan("project.work.search_read", TEMPLATE)

    await psa(http).create_project(NEW_PROJECT)

    assert http.params("project.work.create")[0][0]["party"] == 7


async def test_customer_that_tryton_refuses_stops_the_project() -> None:
    http = ScriptedTryton()
    http.always("party.party.search", [])
    http.plan("party.party.create", refusal(Code.upstream_rejected))

    with pytest.raises(Refused) as refused:
        await psa(http).create_project(NEW_PROJECT)

    assert refused.value.code is Code.upstream_rejected
    assert http.calls["project.work.create"] == 0


async def test_template_that_takes_time_is_not_copied() -> None:
    http = ScriptedTryton()
    today = {"__class__": "date", "year": 2026, "month": 1, "day": 1}
    open_tasks = [TEMPLATE[0], *({**task, "timesheet_start_date": today} for task in TEMPLATE[1:])]
    http.plan("project.work.search_read", open_tasks)

    with pytest.raises(Refused) as refused:
        await psa(http).create_project(replace(NEW_PROJECT, native_template="Delivery standard"))

    assert refused.value.code is Code.template_unknown
    assert http.calls["project.work.copy"] == 0


async def test_template_and_its_tasks_are_one_question() -> None:
    http = ScriptedTryton()
    namesakes = [
        {**TEMPLATE[1], "id": 81, "name": "Delivery standard"},
        {**TEMPLATE[0], "id": 82, "name": "DELIVERY STANDARD"},
    ]
    http.plan("project.work.search_read", [*TEMPLATE, *namesakes], TEMPLATE)
    http.plan("party.party.search", [7])
    http.plan("project.work.copy", [TEMPLATE[0]["id"]])

    await psa(http).create_project(replace(NEW_PROJECT, native_template="Delivery standard"))

    assert http.params("project.work.copy")[0] == [TEMPLATE[0]["id"]]
    assert http.calls["project.work.search_read"] == 2  # The other is the read-back.


async def test_two_templates_with_one_name_are_not_a_choice() -> None:
    http = ScriptedTryton()
    http.plan("project.work.search_read", [*TEMPLATE, {**TEMPLATE[0], "id": 82}])

    with pytest.raises(Refused) as refused:
        await psa(http).create_project(replace(NEW_PROJECT, native_template="Delivery standard"))

    assert refused.value.code is Code.template_unknown


async def test_project_that_nothing_can_be_booked_on_is_not_opened() -> None:
    http = ScriptedTryton()
    http.plan("project.work.search_read", [TEMPLATE[0]])

    with pytest.raises(Refused) as refused:
        await psa(http).open_project(str(TEMPLATE[0]["id"]))

    assert refused.value.code is Code.upstream_rejected


async def test_last_day_that_somebody_set_is_taken_away_with_the_first() -> None:
    http = ScriptedTryton()
    day = {"__class__": "date", "year": 2026, "month": 6, "day": 30}
    ended = [TEMPLATE[0], {**TEMPLATE[1], "timesheet_start_date": day, "timesheet_end_date": day}, *TEMPLATE[2:]]
    http.always("project.work.search_read", ended)
    http.plan("timesheet.work.write", None)

    await psa(http).close_project(str(TEMPLATE[0]["id"]))

    ids, values, _ = http.params("timesheet.work.write")
    assert ids == TEMPLATE[1]["timesheet_works"]
    assert (values["timesheet_start_date"]["year"], values["timesheet_end_date"]) == (9999, None)
    assert http.calls["project.work.write"] == 0  # The others are closed already.


async def test_status_that_tryton_lacks_is_a_mapping_to_add() -> None:
    http = ScriptedTryton()
    http.plan("project.work.search_read", TEMPLATE)
    http.plan("project.work.status.search", [])

    with pytest.raises(Refused) as refused:
        await psa(http).cancel_project(str(TEMPLATE[0]["id"]))

    assert refused.value.code is Code.mapping_missing
    assert http.calls["project.work.write"] == 0


async def test_cancelled_project_takes_no_task() -> None:
    http = ScriptedTryton()
    cancelled = {**TEMPLATE[0], "status.": {"id": 9, "name": "Cancelled"}}
    http.plan("project.work.search_read", [cancelled, *TEMPLATE[1:]])

    with pytest.raises(Refused) as refused:
        await psa(http).create_task(str(TEMPLATE[0]["id"]), NewTask(business_key="tsk_1", name="Late"))

    assert refused.value.code is Code.upstream_rejected


async def test_page_behind_a_task_that_is_gone_begins_anew() -> None:
    http = ScriptedTryton()
    http.plan("project.work.search_read", TEMPLATE)

    found = await psa(http).list_tasks(str(TEMPLATE[0]["id"]), after="4711", limit=1)

    assert [task.name for task in found.items] == ["Discovery"]


async def test_task_is_no_project() -> None:
    http = ScriptedTryton()
    http.plan("project.work.search_read", [TEMPLATE[1]])

    with pytest.raises(Refused) as refused:
        await psa(http).get_project(str(TEMPLATE[1]["id"]))

    assert refused.value.code is Code.resource_not_found


async def test_template_with_another_status_is_copied_as_an_open_one() -> None:
    http = ScriptedTryton()
    held = [{**work, "status.": {"id": 3, "name": "On hold"}} for work in TEMPLATE]
    http.plan("project.work.search_read", held, TEMPLATE)
    http.plan("party.party.search", [7])
    http.plan("project.work.status.search", [1])
    http.plan("project.work.copy", [TEMPLATE[0]["id"]])

    project = await psa(http).create_project(replace(NEW_PROJECT, native_template="Delivery standard", end=UNSET))

    assert http.params("project.work.copy")[1]["status"] == 1
    assert project.state is ProjectState.closed


async def test_examination_tells_each_lack_and_how_to_mend_it() -> None:
    http = ScriptedTryton()
    nothing = {"read": 0, "write": 0, "create": 0, "delete": 0}
    http.plan("common.server.version", "6.0")
    http.plan("ir.model.access.get_access", dict.fromkeys(RIGHTS, nothing))
    http.always("res.user.get_preferences", {"company": 2, "companies": [2], "employee": None, "groups": []})
    http.plan("analytic_account.account.search_read", [])
    http.plan("account.invoice.payment_term.search_read", [])
    http.plan("account.journal.search_read", [{"id": 1, "code": "REV"}])
    http.plan("account.configuration.read", [{"tax_rounding": "sometimes"}])

    findings = await erp(http).examine()

    lacking = {finding.subject for finding in findings if not finding.holds}
    assert lacking == {"server", "companies", "rights", "analytic root", "payment terms", "journals", "tax rounding"}
    assert all(finding.mend for finding in findings if not finding.holds)


async def test_examination_of_delivery_tells_each_lack_and_how_to_mend_it() -> None:
    http = ScriptedTryton()
    everything = {"read": 1, "write": 1, "create": 1, "delete": 1}
    models = ("project.work", "timesheet.work", "timesheet.line", "ir.note", "party.party", "company.employee")
    http.plan("common.server.version", "8.2")
    http.plan("ir.model.access.get_access", dict.fromkeys(models, everything))
    http.plan("project.work.status.search_read", [{"id": 1, "name": "Open"}])
    http.plan("project.work.search", [], [1])
    day = {"__class__": "date", "year": 2026, "month": 6, "day": 30}
    http.plan("project.work.search_read", [{**TEMPLATE[1], "timesheet_start_date": day}])
    http.plan("company.employee.search_read", [])
    other = {"id": 1, "domain": '[["description", "not like", "[OK] %"]]'}
    http.plan("ir.rule.group.search_read", [{"id": 14, "rules.": []}, {"id": 26, "rules.": [other]}])
    settings = replace(SETTINGS, templates=("Missing", "Opened"))

    findings = await tryton.psa(CONNECTION, settings, http).examine()

    lacking = {finding.subject: finding.detail for finding in findings if not finding.holds}
    assert set(lacking) == {"statuses", "templates", "people", "approvals"}
    assert lacking["statuses"] == "Missing: Cancelled, On hold."
    assert "Missing, with tasks" in lacking["templates"]
    assert "task of Opened" in lacking["templates"]


async def test_examination_of_a_server_that_is_away_is_told_and_not_raised() -> None:
    http = ScriptedTryton()
    http.always("common.server.version", AWAY)
    http.always("common.db.login", AWAY)
    settings = replace(SETTINGS, templates=("Delivery standard",))

    findings = await tryton.psa(CONNECTION, settings, http).examine()

    assert [finding.subject for finding in findings if finding.holds] == ["environment"]


async def test_production_without_tls_is_to_be_mended() -> None:
    http = ScriptedTryton()
    http.always("common.server.version", AWAY)
    http.always("common.db.login", AWAY)

    findings = await tryton.psa(replace(CONNECTION, environment="production"), SETTINGS, http).examine()

    assert not findings[0].holds
    assert "TLS" in findings[0].mend


def test_settings_that_contradict_the_connection_stop_the_start() -> None:
    other = replace(CONNECTION, legal_entities=("ES01", "DE01"))
    two = replace(SETTINGS, companies={"ES01": 1, "DE01": 2})

    with pytest.raises(ValueError, match=r"connections\.books\.settings\.companies"):
        tryton.psa(other, SETTINGS, ScriptedTryton())
    with pytest.raises(ValueError, match="one company"):
        tryton.erp(other, two, ScriptedTryton())
    assert tryton.psa(other, two, ScriptedTryton()).capabilities.legal_entities == ["ES01", "DE01"]
