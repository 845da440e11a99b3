"""For every operation: what one customer's token is told of another's. A new operation is a new row.

What is planted for the owner holds one word in all its names. Whoever may not see it gets an answer without
that word, the same as for what does not exist; nothing is changed, and the owner is still answered.
"""

import re
import uuid
from collections.abc import AsyncIterator
from typing import Any, Final, Literal, NamedTuple

import httpx
import pytest

from gateway import main
from gateway.contract import Operation
from openapi.common.types import Code
from tests.e2e.firm import STRANGERS, WORD, Case, Firm, firm_on_fakes, named
from tests.e2e.firm_money import COST, HOLDS, RELEASE, TRANSFER, hold_on, release_of
from tests.fakes.statement_of_work import document

Told = Literal["not there", "not listed", "refused", "shared"]


class Row(NamedTuple):
    """How an operation is asked for the owner's things, and what a stranger is told."""

    told: Told
    at: str = ""
    """Which of the planted ids stands in the path; one for each of its places."""
    filters: tuple[str, ...] = ("",)
    """Queries that lead to the owner's things, each tried."""
    body: str = ""
    """Which of the bodies is sent."""
    codes: tuple[Code, ...] = ()
    """With which problem a stranger is refused."""
    word: str = WORD
    whole: bool = False
    """It is of all that a connection serves: no token that is limited in anything is shown it."""
    shared_within_connection: bool = False
    """Customers and people belong to no single entity: who sees one of the connection's entities sees them."""


NOT_OURS = (Code.auth_entity_not_allowed,)
ROWS: Final[dict[str, Row]] = {
    "system/erp/v1:get_capabilities": Row("shared"),
    "system/erp/v1:list_legal_entities": Row("not listed", word='"ES01"'),
    "system/erp/v1:search_customers": Row(
        "not listed", filters=("name={word}", "business_key={customer_key}"), shared_within_connection=True
    ),
    "system/erp/v1:create_customer": Row("refused", body="customer", codes=NOT_OURS),
    "system/erp/v1:get_customer": Row("not there", at="erp_customer", shared_within_connection=True),
    "system/erp/v1:update_customer": Row(
        "not there", at="erp_customer", body="customer_change", shared_within_connection=True
    ),
    "system/erp/v1:search_accounting_projects": Row(
        "not listed", filters=("code={code}", "business_key={erp_project_key}")
    ),
    "system/erp/v1:create_accounting_project": Row("refused", body="accounting_project", codes=NOT_OURS),
    "system/erp/v1:get_accounting_project": Row("not there", at="erp_project"),
    "system/erp/v1:activate_accounting_project": Row("not there", at="erp_project"),
    "system/erp/v1:deactivate_accounting_project": Row("not there", at="erp_project"),
    "system/erp/v1:list_periods": Row("refused", filters=("legal_entity=ES01",), codes=NOT_OURS, word="2027-12"),
    "system/erp/v1:list_items": Row("not listed", word="CONS-H", shared_within_connection=True),
    "system/erp/v1:list_tax_codes": Row("refused", filters=("legal_entity=ES01",), codes=NOT_OURS, word="VAT 21%"),
    "system/erp/v1:find_billable_transactions": Row("not listed", filters=("business_key={fact_key}",)),
    "system/erp/v1:post_billable_transactions": Row("refused", body="facts", codes=NOT_OURS),
    "system/erp/v1:find_invoices": Row("not listed", filters=("business_key={invoice_key}",)),
    "system/erp/v1:create_invoice": Row("refused", body="invoice", codes=NOT_OURS),
    "system/erp/v1:get_invoice": Row("not there", at="invoice"),
    "system/erp/v1:post_invoice": Row("not there", at="invoice"),
    "system/erp/v1:cancel_invoice": Row("not there", at="invoice"),
    "system/erp/v1:list_payments": Row("not there", at="paid_invoice", word="INV"),
    "system/psa/v1:get_capabilities": Row("shared"),
    "system/psa/v1:list_resources": Row("not listed", word="ana.ruiz", shared_within_connection=True),
    "system/psa/v1:search_projects": Row("not listed", filters=("code={code}", "business_key={psa_project_key}")),
    "system/psa/v1:create_project": Row("refused", body="project", codes=NOT_OURS),
    "system/psa/v1:get_project": Row("not there", at="psa_project"),
    "system/psa/v1:open_project": Row("not there", at="psa_project"),
    "system/psa/v1:close_project": Row("not there", at="psa_project"),
    "system/psa/v1:cancel_project": Row("not there", at="psa_project"),
    "system/psa/v1:list_tasks": Row("not there", at="psa_project"),
    "system/psa/v1:create_task": Row("not there", at="psa_project", body="part"),
    "system/psa/v1:list_milestones": Row("not there", at="psa_project"),
    "system/psa/v1:create_milestone": Row("not there", at="psa_project", body="part"),
    "system/psa/v1:list_time_entries": Row("not listed", filters=("changed_since=2020-01-01T00:00:00Z",)),
    "system/psa/v1:get_time_entry": Row("not there", at="time_entry"),
    "system/psa/v1:list_time_totals": Row(
        "not listed", filters=("first=2026-11-01&last=2026-11-30",), word='"project_id"'
    ),
    "system/psa/v1:find_time_feedback": Row("not listed", filters=("entry_id={time_entry}",)),
    "system/psa/v1:write_time_feedback": Row("not listed", body="feedback", word='"applied"'),
    "system/psa/v1:find_billing_notes": Row("not there", at="psa_project", filters=("business_key={note_key}",)),
    "system/psa/v1:write_billing_note": Row("not there", at="psa_project", body="note"),
    "system/psa/v1:get_hold_flag": Row("not there", at="psa_project"),
    "system/psa/v1:set_hold_flag": Row("not there", at="psa_project", body="flag"),
    "process/project_onboarding/v1:list_onboardings": Row(
        "not listed",
        filters=(
            "",
            "state=parked",
            "customer={customer}",
            "connection=crm1&external_id={opportunity}",
            "connection=books&external_id={erp_project}",
            "connection=books&external_id={erp_customer}",
            "connection=delivery&external_id={psa_project}",
        ),
    ),
    "process/project_onboarding/v1:start_onboarding": Row(
        "refused", body="statement_of_work", codes=(*NOT_OURS, Code.customer_not_found)
    ),
    "process/project_onboarding/v1:get_onboarding": Row("not there", at="onboarding"),
    "process/project_onboarding/v1:resume_onboarding": Row("not there", at="onboarding", body="decision"),
    "process/project_onboarding/v1:cancel_onboarding": Row("not there", at="onboarding"),
    "process/status/v1:list_project_statuses": Row(
        "not listed",
        filters=(
            "",
            "code={code}",
            "connection=books&external_id={erp_project}",
            "connection=delivery&external_id={psa_project}&code={code}",
        ),
    ),
    "process/status/v1:get_project_status": Row("not there", at="project"),
    "process/status/v1:list_billing_statuses": Row(
        "not listed",
        filters=("project={project}", "invoice={number}", "connection=delivery&entry={time_entry}"),
    ),
    "process/time_transfer/v1:list_runs": Row("not listed", filters=("", "connection=delivery"), whole=True),
    "process/time_transfer/v1:start_run": Row("refused", body="run", codes=(Code.connection_not_known,), whole=True),
    "process/time_transfer/v1:get_run": Row("not there", at="run", whole=True),
    "process/time_transfer/v1:list_entries": Row(
        "not listed",
        filters=(
            "",
            "project={project}",
            "transfer=posted",
            "connection=delivery&external_id={time_entry}",
        ),
    ),
    "process/time_transfer/v1:recall_entry": Row("refused", body="recall", codes=(Code.entry_not_known,)),
    "process/time_transfer/v1:get_recall": Row("not there", at="recall"),
    "process/invoice_release/v1:list_releases": Row(
        "not listed",
        filters=("", "legal_entity=ES01", "contract={contract}", "project={project}", "customer={customer}"),
    ),
    "process/invoice_release/v1:start_release": Row(
        "refused", filters=("", "dry_run=true"), body="release", codes=(*NOT_OURS, Code.project_not_known)
    ),
    "process/invoice_release/v1:get_release": Row("not there", at="release"),
    "process/invoice_release/v1:cancel_release": Row("not there", at="release"),
    "process/invoice_release/v1:approve_request": Row("not there", at="request", body="request_approval"),
    "process/invoice_release/v1:list_milestones": Row(
        "not listed", filters=("", "contract={contract}", "project={project}")
    ),
    "process/invoice_release/v1:approve_milestone": Row("not there", at="milestone", body="approval"),
    "process/billing_holds/v1:list_holds": Row(
        "not listed",
        filters=(
            "",
            "project={project}",
            "scope_type=project&scope_id={project}",
            "state=active",
            "in_force=true",
        ),
    ),
    "process/billing_holds/v2:list_holds": Row(
        "not listed",
        filters=(
            "",
            "project={project}",
            "scope_type=project&scope_id={project}",
            "state=in_force",
            "outcome=in_time",
        ),
    ),
    "process/billing_holds/v2:place_hold": Row("refused", body="hold", codes=(Code.hold_scope_unknown,)),
    "process/billing_holds/v2:get_hold": Row("not there", at="hold"),
    "process/billing_holds/v2:lift_hold": Row("not there", at="hold", body="lift"),
    "process/billing_holds/v2:override_hold": Row("not there", at="hold", body="override"),
    "process/billing_holds/v2:approve_override": Row("not there", at="hold override"),
    "process/billing_holds/v2:withdraw_override": Row("not there", at="hold override"),
    "process/billing_holds/v1:place_hold": Row("refused", body="hold", codes=(Code.hold_scope_unknown,)),
    "process/billing_holds/v1:get_hold": Row("not there", at="hold"),
    "process/billing_holds/v1:lift_hold": Row("not there", at="hold", body="lift"),
    "platform/operations/v1:list_process_instances": Row(
        "not listed",
        filters=(
            *("", "state=parked", "kind=project_onboarding", "business_key={process_key}"),
            *("kind=time_recall", "kind=invoice_release"),
        ),
    ),
    "platform/operations/v1:get_process_instance": Row("not there", at="onboarding"),
    "platform/operations/v1:list_work_items": Row(
        "not listed", filters=("", "state=open", "owner_queue=Finance+Ops", "process_id={onboarding}")
    ),
    "platform/operations/v1:get_work_item": Row("not there", at="work_item"),
    "platform/operations/v1:assign_work_item": Row("not there", at="work_item", body="assignment"),
    "platform/operations/v1:resume_work_item": Row("not there", at="work_item", body="resumption"),
    "platform/governance/v1:explain_call": Row("shared", body="explained"),
    "platform/governance/v1:list_plans": Row("refused", codes=NOT_OURS, word='"rows"', whole=True),
    "platform/governance/v1:list_consumers": Row("refused", codes=NOT_OURS, word='"owner"', whole=True),
    "platform/governance/v1:list_policy_sets": Row("refused", codes=NOT_OURS, word='"digest"', whole=True),
    "platform/governance/v1:list_policy_candidates": Row("refused", codes=NOT_OURS, word='"digest"', whole=True),
    "platform/governance/v1:propose_policies": Row(
        "refused", body="candidate", codes=NOT_OURS, word='"digest"', whole=True
    ),
    "platform/governance/v1:get_policy_candidate": Row(
        "refused", at="candidate", codes=NOT_OURS, word='"digest"', whole=True
    ),
    "platform/governance/v1:list_policy_differences": Row(
        "refused", at="candidate", codes=NOT_OURS, word='"items"', whole=True
    ),
    "platform/governance/v1:promote_policies": Row(
        "refused", at="candidate", codes=NOT_OURS, word='"live"', whole=True
    ),
    "platform/governance/v1:drop_policy_candidate": Row(
        "refused", at="candidate", codes=NOT_OURS, word='"digest"', whole=True
    ),
    "platform/governance/v1:list_lifecycle": Row("refused", codes=NOT_OURS, word='"owner"', whole=True),
    "platform/governance/v1:list_usage": Row("refused", codes=NOT_OURS, word='"client_id"', whole=True),
    "platform/governance/v1:list_ownership": Row("refused", codes=NOT_OURS, word='"owner"', whole=True),
    "platform/governance/v1:list_denials": Row("refused", codes=NOT_OURS, word='"denied_by"', whole=True),
    "platform/governance/v1:reload_policies": Row("refused", codes=NOT_OURS, word='"live"', whole=True),
    "platform/governance/v1:roll_back_policies": Row("refused", codes=NOT_OURS, word='"live"', whole=True),
    "platform/governance/v1:deny": Row("refused", body="denial", codes=NOT_OURS, word='"denied_by"', whole=True),
    "platform/governance/v1:lift_denial": Row("refused", at="denial", codes=NOT_OURS, word='"denied_by"', whole=True),
    "platform/governance/v1:flush_keys": Row("refused", body="flush", codes=NOT_OURS, word='"issuers"', whole=True),
    "platform/governance/v1:list_decisions": Row("refused", codes=NOT_OURS, word='"hash"', whole=True),
    "platform/governance/v1:get_decision": Row("refused", at="decision", codes=NOT_OURS, word='"hash"', whole=True),
}


@pytest.fixture(scope="module")
async def firm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firm]:
    async with firm_on_fakes(tmp_path_factory.mktemp("firm")) as opened:
        yield opened


@pytest.fixture(scope="module")
def operations(firm: Firm) -> dict[str, Operation]:
    """Every operation that is served, by its name."""
    return {operation.name: operation for api in main.apis_of(firm.product.parts) for operation in api.operations}


def test_every_operation_has_its_row(operations: dict[str, Operation]) -> None:
    without = sorted(operations.keys() - ROWS.keys())
    gone = sorted(ROWS.keys() - operations.keys())

    assert without == [], "Add a row to ROWS: how the owner's thing is asked for, and what a stranger is told."
    assert gone == [], "Take the rows of these operations out of ROWS."


@pytest.fixture(scope="module")
async def case(firm: Firm) -> Case:
    """Things of the owner's that nobody changes."""
    return await firm.plant_all()


@pytest.mark.parametrize("limit", STRANGERS)
@pytest.mark.parametrize("name", ROWS)
async def test_stranger_is_told_nothing(
    firm: Firm, operations: dict[str, Operation], case: Case, name: str, limit: str
) -> None:
    operation, row = operations[name], ROWS[name]
    closed = operation.connection is not None and limit in {"another customer", "another project"}
    if not closed and (row.told == "shared" or (row.shared_within_connection and limit == "another entity")):
        return  # It belongs to whoever sees one of the connection's entities.
    before = await all_that_can_change(firm, case)

    async with firm.stranger(limit) as stranger:
        answers = [await asked(stranger, operation, row, case, query) for query in row.filters]
        missing = await asked(stranger, operation, row, nobodys(case), row.filters[0]) if row.at else None

    for answer in answers:
        check(answer, row, case, closed=closed)
        assert missing is None or told(answer) == told(missing), "What may not be seen is answered like what is not."
    assert await all_that_can_change(firm, case) == before


@pytest.mark.parametrize("name", ROWS)
async def test_owner_is_answered(firm: Firm, operations: dict[str, Operation], case: Case, name: str) -> None:
    operation, row = operations[name], ROWS[name]
    if operation.method != "GET":
        case = await firm.plant_all()

    async with firm.product.client() if row.whole else firm.owner(case, operation) as owner:
        answers = [await asked(owner, operation, row, case, query) for query in row.filters]

    for answer in answers:
        assert answer.is_success, answer.text
        assert row.told == "shared" or any(word in answer.text for word in [row.word, *case.secrets()])


@pytest.mark.parametrize("limit", STRANGERS)
async def test_cursor_of_another_caller_is_refused(
    firm: Firm, operations: dict[str, Operation], case: Case, limit: str
) -> None:
    tried = 0
    for name, operation in operations.items():
        if "cursor" not in operation.query:
            continue
        path, query = url_of(operation, ROWS[name], case, ROWS[name].filters[0])
        first = await firm.everybody.get(f"{path}?limit=1&{query}")
        async with firm.stranger(limit) as stranger:
            answer = await stranger.get(f"{path}?limit=1&{query}&cursor={first.json()['next_cursor']}")

        expected = {Code.request_cursor_invalid, Code.auth_system_api_closed, *ROWS[name].codes}
        codes = {answer.json()["code"], *(error["code"] for error in answer.json().get("errors", []))}
        assert codes & expected, f"{name}: {answer.text}"
        tried += 1

    assert tried >= 11


async def test_answer_kept_under_a_key_is_not_replayed_to_another_caller(firm: Firm) -> None:
    path, body = "/process/project-onboarding/v1/onboardings", document(**named(WORD, 9_999))
    headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    first = await firm.everybody.post(path, json=body, headers=headers)

    for limit in STRANGERS:
        async with firm.stranger(limit) as stranger:
            answer = await stranger.post(path, json=body, headers=headers)

        assert first.is_success
        assert answer.status_code in {403, 422}, limit
        assert first.json()["id"] not in answer.text


SHOWN: Final = [
    f"{TRANSFER}/entries?project={{project}}",
    f"{HOLDS}/holds?project={{project}}",
    f"{RELEASE}/releases?project={{project}}",
    f"{RELEASE}/milestones?project={{project}}",
    "/process/status/v1/project-statuses/{project}",
    "/process/status/v1/billing-statuses?project={project}",
]
"""What people, customers and their portals look at on the path of money."""
FINANCE: Final = "finance:read"
"""What is asked for beyond an operation's own scope by whoever reads what work cost."""


@pytest.mark.parametrize(
    ("portal", "without"),
    [
        ((), (FINANCE,)),
        (("customer",), ()),
        (("project",), ()),
        (("customer", "project"), ()),
    ],
)
@pytest.mark.parametrize("path", SHOWN)
async def test_what_work_cost_is_shown_to_nobody_but_finance(
    firm: Firm, case: Case, path: str, portal: tuple[str, ...], without: tuple[str, ...]
) -> None:
    scopes = tuple(scope for scope in (*firm.product.scopes, FINANCE) if scope not in without)
    limits = {f"{name}s": (case.ids[name],) for name in portal}
    async with firm.product.client(client="somebody", scopes=scopes, **limits) as somebody:
        answer = await somebody.get(path.format(**case.ids))

    assert answer.is_success, answer.text
    assert case.ids["project"] in answer.text
    assert COST not in answer.text


@pytest.mark.parametrize("path", [f"{TRANSFER}/entries", "/process/status/v1/billing-statuses"])
async def test_what_work_cost_is_shown_to_finance(firm: Firm, case: Case, path: str) -> None:
    async with firm.product.client(client="finance", scopes=(*firm.product.scopes, FINANCE)) as finance:
        answer = await finance.get(f"{path}?project={case.ids['project']}")

    assert COST in answer.text


@pytest.mark.parametrize("limit", ["customer", "project"])
async def test_what_colleagues_write_to_each_other_is_not_the_customers_to_read(
    firm: Firm, case: Case, limit: str
) -> None:
    told = f"internal {uuid.uuid4().hex}"
    async with firm.product.client(client="finance") as finance:
        await written(finance, case, told)
        inside = [(await finance.get(path)).text for path in (f"{HOLDS}/holds", f"{RELEASE}/releases")]
    async with firm.product.client(client="portal", **{f"{limit}s": (case.ids[limit],)}) as portal:
        outside = [(await portal.get(path.format(**case.ids))).text for path in SHOWN]

    assert all(told in answer for answer in inside)
    assert not any(told in answer for answer in outside)


async def written(finance: httpx.AsyncClient, case: Case, told: str) -> None:
    """Let finance write the words wherever the path of money takes any."""
    asked = [
        (f"{HOLDS}/holds", hold_on(case.ids, told) | {"reference": told}),
        (f"{RELEASE}/releases", release_of(case.ids) | {"note": told}),
    ]
    for path, body in asked:
        answer = await finance.post(path, json=body, headers={"Idempotency-Key": f'"{uuid.uuid4()}"'})
        assert answer.is_success, answer.text
        if path.startswith(HOLDS):
            lift = f"{path}/{answer.json()['id']}/lift"
            assert (await finance.post(lift, json={"reason": told})).is_success


def url_of(operation: Operation, row: Row, case: Case, query: str) -> tuple[str, str]:
    """Return path and query, filled with the planted ids."""
    places = iter(row.at.split())
    path = re.sub(r"\{\w+\}", lambda _: case.ids.get(next(places, ""), ""), operation.path)
    return path, query.format(**case.ids)


async def asked(client: httpx.AsyncClient, operation: Operation, row: Row, case: Case, query: str) -> httpx.Response:
    """Return the answer to the operation's call on the owner's things."""
    path, query = url_of(operation, row, case, query)
    headers = {"If-Match": f'"{case.ids[f"{row.at}_version"]}"'} if "if-match" in operation.headers else {}
    if operation.idempotency_key:
        headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
    page = "limit=100&" if "cursor" in operation.query else ""
    return await client.request(
        operation.method, f"{path}?{page}{query}".rstrip("?&"), json=case.bodies.get(row.body), headers=headers
    )


def nobodys(case: Case) -> Case:
    """Return the same with ids as well formed that nothing has; a milestone's ends in its line and place."""
    return case._replace(
        ids={
            name: re.sub(r".(?=(-\d+)*$)", lambda last: "10"[last[0] == "1"], text, count=1)
            for name, text in case.ids.items()
        }
    )


def check(answer: httpx.Response, row: Row, case: Case, *, closed: bool) -> None:
    """Check what a stranger was told."""
    told_too_much = [word for word in {row.word, *case.secrets()} if word in answer.text]
    assert not told_too_much, answer.text
    if closed:
        assert answer.json()["code"] == Code.auth_system_api_closed
    elif row.told == "not listed":
        assert answer.status_code == 200, answer.text
    elif row.told == "refused":
        assert answer.json()["code"] in row.codes
    else:
        assert answer.json()["code"] == Code.resource_not_found


def told(answer: httpx.Response) -> dict[str, Any]:
    """Return the answer without what every exchange has of its own."""
    own = ("instance", "correlation_id")
    return {name: value for name, value in answer.json().items() if name not in own} | {"status": answer.status_code}


async def all_that_can_change(firm: Firm, case: Case) -> list[object]:
    """Return how often the systems were written to, and where the owner's process and work item are."""
    parts, base = firm.product.parts, "/platform/operations/v1"
    paths = f"{base}/process-instances/{case.ids['onboarding']}", f"{base}/work-items/{case.ids['work_item']}"
    ours = [(await firm.everybody.get(path)).json() for path in paths]
    return [*ours, *(port.effects.total() for port in (*parts.erps.values(), *parts.psas.values()))]  # type: ignore[attr-defined]  # Fakes.
