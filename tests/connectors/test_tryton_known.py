"""What the connector of Tryton goes by for a while, and what it asks each time."""

import json
from datetime import date
from pathlib import Path

import pytest

from gateway.errors import Refused
from openapi.common.types import Address, Code
from openapi.system.erp.v1 import NewAccountingProject, NewCustomer
from openapi.system.psa.v1 import NewProject, ProjectCustomer
from system_apis.connectors import tryton
from system_apis.connectors.tryton.erp.adapter import TrytonErp
from system_apis.connectors.tryton.known import LASTS_S
from system_apis.connectors.tryton.psa.adapter import TrytonPsa
from tests.connectors.scripted import CONNECTION, SETTINGS, ScriptedTryton, client

RECORDS = json.loads((Path(__file__).parent / "tryton/records.json").read_text())
PARTY, TEMPLATE, ACCOUNT = RECORDS["party"], RECORDS["template"], RECORDS["account"]
NAME = TEMPLATE[0]["name"]
ANA = {"id": 1, "_timestamp": "1.0", "start_date": None, "party.": {"name": "Ana Ruiz", "email": "ana@example.com"}}
NEW_CUSTOMER = NewCustomer(
    business_key="cus_1",
    legal_entity="ES01",
    name="Alpha",
    country="ES",
    billing_address=Address(street="Gran Via 1", city="Madrid", country="ES"),
    payment_terms="net_30",
)
NEW_PROJECT = NewProject(
    business_key="prj_1",
    legal_entity="ES01",
    code="P-0042",
    name="Data platform",
    customer=ProjectCustomer(business_key="cus_1", name="Alpha"),
    start=date(2026, 12, 1),
    manager="ana@example.com",
    native_template=NAME,
)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the connection."""
    return Clock()


@pytest.fixture
def http() -> ScriptedTryton:
    """A Tryton with everything that the writes here refer to."""
    http = ScriptedTryton()
    http.always("country.country.search", [1])
    http.always("account.invoice.payment_term.search", [2])
    http.always("party.party.create", [7])
    http.always("party.party.search", [7])
    http.always("party.party.search_read", [{**PARTY, "code": "cus_1"}])
    http.always("company.employee.search_read", [ANA])
    http.always("project.work.search_read", TEMPLATE)
    http.always("project.work.copy", [TEMPLATE[0]["id"]])
    return http


def ledger(http: ScriptedTryton, clock: Clock) -> TrytonErp:
    return TrytonErp(tryton.erp(CONNECTION, SETTINGS, http).capabilities, SETTINGS, client(http, clock))


def delivery(http: ScriptedTryton, clock: Clock) -> TrytonPsa:
    return TrytonPsa(tryton.psa(CONNECTION, SETTINGS, http).capabilities, SETTINGS, client(http, clock))


async def test_country_and_terms_are_asked_once_in_a_while(http: ScriptedTryton, clock: Clock) -> None:
    port, asked = ledger(http, clock), []

    for passes in (0.0, LASTS_S - 1, 1.0):
        clock.now += passes
        await port.create_customer(NEW_CUSTOMER)
        asked.append((http.calls["country.country.search"], http.calls["account.invoice.payment_term.search"]))

    assert asked == [(1, 1), (1, 1), (2, 2)]
    assert http.calls["party.party.search_read"] == 3  # What was written is read back each time.


async def test_country_that_was_lacking_is_seen_as_soon_as_it_is_there(http: ScriptedTryton, clock: Clock) -> None:
    port = ledger(http, clock)
    http.plan("country.country.search", [])

    with pytest.raises(Refused):
        await port.create_customer(NEW_CUSTOMER)

    assert (await port.create_customer(NEW_CUSTOMER)).id == str(PARTY["id"])


async def test_refused_write_lets_everything_be_asked_anew(http: ScriptedTryton, clock: Clock) -> None:
    port = ledger(http, clock)
    await port.create_customer(NEW_CUSTOMER)
    http.plan("party.party.create", Refused(Code.resource_not_found, "as Tryton says"))
    http.plan("country.country.search", [31])

    with pytest.raises(Refused):
        await port.create_customer(NEW_CUSTOMER)
    await port.create_customer(NEW_CUSTOMER)

    assert http.params("party.party.create")[0][0]["addresses"][0][1][0]["country"] == 31


async def test_refused_read_leaves_what_is_known(http: ScriptedTryton, clock: Clock) -> None:
    port = ledger(http, clock)
    await port.create_customer(NEW_CUSTOMER)
    http.plan("party.party.search_read", Refused(Code.resource_not_found, "as Tryton says"))

    with pytest.raises(Refused):
        await port.get_customer("7")
    await port.create_customer(NEW_CUSTOMER)

    assert http.calls["country.country.search"] == 1


async def test_department_is_asked_for_each_project(http: ScriptedTryton, clock: Clock) -> None:
    port = ledger(http, clock)
    root = {**ACCOUNT, "type": "root", "state": "opened"}
    http.always("analytic_account.account.create", [ACCOUNT["id"]])
    http.plan("analytic_account.account.search_read", [root], [ACCOUNT], [{**root, "state": "closed"}])
    new = NewAccountingProject(
        business_key="prj_1", legal_entity="ES01", code="P-1", name="Data", customer_id="7", dimensions=[]
    )
    await port.create_accounting_project(new)

    with pytest.raises(Refused) as refused:
        await port.create_accounting_project(new)

    assert refused.value.code is Code.mapping_missing


async def test_companies_are_known_and_employees_are_asked(http: ScriptedTryton, clock: Clock) -> None:
    port = ledger(http, clock)
    staff = [{**PARTY, "id": number, "code": str(number)} for number in (1, 2, 3)]
    http.always("party.party.search_read", staff)
    http.always("company.company.search_read", [{"party": 1}])
    http.plan("company.employee.search_read", [{"party": 2}], [{"party": 3}])

    shown = [[one.id for one in (await port.search_customers(name=PARTY["name"])).items] for _ in range(2)]

    assert shown == [["3"], ["2"]]
    assert http.calls["company.company.search_read"] == 1


async def test_manager_of_a_project_is_known_and_a_person_who_is_looked_for_is_not(
    http: ScriptedTryton, clock: Clock
) -> None:
    port = delivery(http, clock)
    for _ in range(2):
        await port.create_project(NEW_PROJECT)
    asked = http.calls["company.employee.search_read"]

    for _ in range(2):
        await port.find_resource("ana@example.com")

    assert (asked, http.calls["company.employee.search_read"]) == (1, 3)


async def test_manager_whose_days_are_over_leads_nothing(http: ScriptedTryton, clock: Clock) -> None:
    day = {"__class__": "date", "year": 2020, "month": 1, "day": 1}
    http.always("company.employee.search_read", [{**ANA, "end_date": day}])

    with pytest.raises(Refused) as refused:
        await delivery(http, clock).create_project(NEW_PROJECT)

    assert refused.value.code is Code.resource_not_mapped
