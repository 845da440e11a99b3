"""Tryton's records in our words, from records that were read off a running one."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Address, Code, Dimension, DimensionType, Reference
from openapi.system.erp.v1 import AccountingProjectState, CustomerChange, CustomerState, NewCustomer, TaxBasis
from openapi.system.psa.v1 import NewProject, NewTask, ProjectCustomer, ProjectState, State, State1
from system_apis.connectors.tryton import wire
from system_apis.connectors.tryton.erp import mapping as erp
from system_apis.connectors.tryton.erp.changes import changes_of
from system_apis.connectors.tryton.psa import mapping as psa
from system_apis.connectors.tryton.records import company_of, entity_of
from tests.connectors.scripted import SETTINGS

T = TypeVar("T")
RECORDS = json.loads((Path(__file__).parent / "tryton/records.json").read_text())
TODAY = date(2026, 11, 25)
MADRID = Address(street="Gran Via 1", postal_code="28013", city="Madrid", country="ES")


def record(name: str, into: type[T]) -> T:
    return wire.decoded(json.dumps(RECORDS[name]).encode(), into)


ALDER = record("party", wire.Party)
CEDAR = record("party_without_tax_id", wire.Party)
ACCOUNT = record("account", wire.Account)
TEMPLATE = record("template", list[wire.Work])


def test_party_becomes_a_customer() -> None:
    customer = erp.to_customer(ALDER, SETTINGS)

    assert (customer.name, customer.tax_id, customer.country) == ("Alder Foods", "ESA08000143", "ES")
    assert (customer.state, customer.payment_terms) == (CustomerState.active, "net_30")
    assert customer.billing_address == Address(
        street="1 Market Street", postal_code="10001", city="Valencia", country="ES"
    )


def test_number_that_tryton_gave_is_no_key_of_ours() -> None:
    customer = erp.to_customer(replace(ALDER, code="17"), SETTINGS)

    assert customer.business_key is None
    assert customer.references == [Reference(type="party_number", value="17")]


def test_code_that_we_gave_is_the_key() -> None:
    assert erp.to_customer(replace(ALDER, code="cus_crm_1"), SETTINGS).business_key == "cus_crm_1"


def test_payment_terms_that_nobody_mapped_are_told_by_their_own_name() -> None:
    party = replace(ALDER, code=None, payment_term=wire.Named(id=9, name="Net 45"))

    customer = erp.to_customer(party, SETTINGS)

    assert customer.payment_terms is None
    assert customer.references == [Reference(type="payment_terms_unmapped", value="Net 45")]


def test_party_without_anything_is_a_customer_still() -> None:
    bare = replace(CEDAR, name=None, code=None, payment_term=None, addresses=[], identifiers=[], active=0)

    customer = erp.to_customer(bare, SETTINGS)

    assert (customer.name, customer.tax_id, customer.country, customer.billing_address) == ("", None, None, None)
    assert customer.state is CustomerState.inactive


@pytest.mark.parametrize(("part", "country"), [("street", "ES"), ("city", "ES"), ("country", None)])
def test_address_that_lacks_a_part_is_none(part: str, country: str | None) -> None:
    party = replace(ALDER, addresses=[replace(ALDER.addresses[0], **{part: None})])

    customer = erp.to_customer(party, SETTINGS)

    assert (customer.billing_address, customer.country) == (None, country)


def test_address_for_invoices_goes_before_others() -> None:
    other = replace(ALDER.addresses[0], id=99, city="Sevilla", invoice=True)
    first = replace(ALDER.addresses[0], invoice=False)

    assert erp.billing_address(replace(ALDER, addresses=[first, other])) is other
    assert erp.billing_address(replace(ALDER, addresses=[first])) is first


def test_identifier_of_another_kind_is_no_tax_id() -> None:
    duns = replace(ALDER.identifiers[0], type="us_duns")

    assert erp.to_customer(replace(ALDER, identifiers=[duns]), SETTINGS).tax_id is None


def test_version_changes_with_what_hangs_on_the_party() -> None:
    moved = replace(ALDER, addresses=[replace(ALDER.addresses[0], stamp="9.9")])
    fewer = replace(ALDER, identifiers=[])

    assert len({erp.version_of(party) for party in (ALDER, moved, fewer)}) == 3


@pytest.mark.parametrize(
    ("country", "kind"), [("ES", "eu_vat"), ("GB", "gb_vat"), ("CH", "ch_vat"), ("US", "us_ein"), ("JP", None)]
)
def test_country_decides_how_a_tax_id_is_checked(country: str, kind: str | None) -> None:
    new = NewCustomer(
        business_key="cus_1",
        legal_entity="ES01",
        name=" Alpha ",
        country=country,
        tax_id="AB 12 3",
        billing_address=MADRID,
    )

    values = erp.from_new_customer(new, country=5, term=None)

    assert values["identifiers"] == [["create", [{"type": kind, "code": "AB123"}]]]
    assert (values["name"], values["code"]) == (" Alpha ", "cus_1")
    assert "customer_payment_term" not in values


def test_key_of_digits_alone_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        erp.key_to_write("12345")

    assert refused.value.code is Code.unsupported_field


def test_change_touches_what_it_names() -> None:
    change = CustomerChange(name=" Alder Group ", state=CustomerState.inactive)

    assert changes_of(ALDER, change, country=UNSET, term=UNSET) == {"name": " Alder Group ", "active": False}


def test_change_writes_on_what_hangs_on_the_party() -> None:
    change = CustomerChange(tax_id="FR40303265045", billing_address=replace(MADRID, country="FR", postal_code=UNSET))

    values = changes_of(ALDER, change, country=2, term=None)

    assert values["addresses"][0][:2] == ["write", [ALDER.addresses[0].id]]
    assert values["addresses"][0][2]["postal_code"] is None
    assert values["identifiers"] == [["write", [ALDER.identifiers[0].id], {"type": "eu_vat", "code": "FR40303265045"}]]
    assert values["customer_payment_term"] is None


def test_change_makes_what_is_not_there() -> None:
    bare = replace(ALDER, addresses=[], identifiers=[])

    values = changes_of(bare, CustomerChange(tax_id="X1", billing_address=MADRID), country=1, term=UNSET)
    without_country = changes_of(bare, CustomerChange(tax_id="X1"), country=UNSET, term=UNSET)

    assert (values["addresses"][0][0], values["identifiers"][0][0]) == ("create", "create")
    assert without_country["identifiers"] == [["create", [{"type": None, "code": "X1"}]]]


def test_company_becomes_a_legal_entity() -> None:
    entity = erp.to_legal_entity(record("company", wire.Company), "ES01", "document")

    assert (entity.code, entity.name, entity.currency) == ("ES01", "Meridian Services", "EUR")
    assert (entity.country, entity.tax_basis) == ("ES", TaxBasis.per_rate_group)


@pytest.mark.parametrize(
    ("state", "active", "expected"),
    [
        ("draft", 1, AccountingProjectState.draft),
        ("opened", True, AccountingProjectState.active),
        ("closed", 1, AccountingProjectState.inactive),
        ("opened", 0, AccountingProjectState.inactive),
    ],
)
def test_state_of_an_account_is_that_of_the_project(state: str, active: int, expected: AccountingProjectState) -> None:
    project = erp.to_accounting_project(replace(ACCOUNT, state=state, active=active), SETTINGS)

    assert project.state is expected
    assert (project.business_key, project.customer_id, project.dimensions) == (None, None, [])


def test_state_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        erp.to_accounting_project(replace(ACCOUNT, state="frozen"), SETTINGS)

    assert refused.value.code is Code.mapping_missing


@pytest.mark.parametrize(("parent", "codes"), [("DEP-CONS", ["CONS"]), ("PRJ", []), ("DEP-a b", []), (None, [])])
def test_parent_of_an_account_is_its_department(parent: str | None, codes: list[str]) -> None:
    account = replace(ACCOUNT, parent=wire.Coded(id=1, code=parent), note="key: prj_1\ncustomer: 7 Alder")

    project = erp.to_accounting_project(account, SETTINGS)

    assert [dimension.code for dimension in project.dimensions] == codes
    assert (project.business_key, project.customer_id) == ("prj_1", "7")


def test_dimensions_that_cannot_be_carried_are_each_named() -> None:
    dimensions = [Dimension(type=kind, code="X") for kind in (DimensionType.region, DimensionType.department)]

    with pytest.raises(Refused) as refused:
        erp.department_of([*dimensions, Dimension(type=DimensionType.location, code="Y")])

    assert [violation.pointer for violation in refused.value.violations] == ["#/dimensions/0", "#/dimensions/2"]


def test_company_that_is_not_configured_is_refused_both_ways() -> None:
    for asked in (lambda: entity_of(2, SETTINGS), lambda: company_of("DE01", SETTINGS)):
        with pytest.raises(Refused) as refused:
            asked()

        assert refused.value.code is Code.entity_mapping_missing


def tree(works: list[wire.Work] = TEMPLATE) -> psa.Tree:
    (found,) = psa.trees(works, [TEMPLATE[0].id])
    return found


def opened(start: date, end: date | None = None) -> psa.Tree:
    return tree([replace(work, timesheet_start_date=start, timesheet_end_date=end) for work in TEMPLATE])


def test_template_is_closed_for_time() -> None:
    project = psa.to_project(tree(), SETTINGS, TODAY)

    assert (project.state, project.name, project.code) == (ProjectState.closed, "Delivery standard", TEMPLATE[0].number)
    assert project.url == f"tryton://tryton.example/erp/model/project.work/{TEMPLATE[0].id}"
    assert (project.start, project.end, project.manager_id, project.customer_name) == (None, None, None, None)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (opened(date(2026, 12, 1)), ProjectState.open),
        (opened(date(2026, 1, 1), TODAY), ProjectState.open),
        (opened(date(2026, 1, 1), date(2026, 11, 24)), ProjectState.closed),
    ],
)
def test_project_is_open_while_a_day_is_left(found: psa.Tree, state: ProjectState) -> None:
    assert psa.state_of(found, SETTINGS, TODAY) is state


def test_status_alone_does_not_cancel_what_takes_time() -> None:
    cancelled = wire.Named(id=9, name="Cancelled")
    shut = tree([replace(work, status=cancelled) for work in TEMPLATE])
    still_open = tree([replace(work, status=cancelled, timesheet_start_date=TODAY) for work in TEMPLATE])

    assert psa.state_of(shut, SETTINGS, TODAY) is ProjectState.cancelled
    assert psa.state_of(still_open, SETTINGS, TODAY) is ProjectState.open


def test_version_changes_with_the_days_of_a_task() -> None:
    assert psa.version_of(tree()) != psa.version_of(opened(TODAY))


def test_new_project_is_read_back_from_its_comment() -> None:
    new = NewProject(
        business_key="prj_1",
        legal_entity="ES01",
        code="P-0042",
        name="Data - platform",
        customer=ProjectCustomer(business_key="cus_1", name="Alpha"),
        start=TODAY,
        end=date(2027, 5, 31),
    )
    person = psa.to_resource(record("employee", wire.Employee), TODAY)

    values = psa.from_new_project(new, party=7, manager=person)
    root = replace(TEMPLATE[0], name=values["name"], comment=f"Nice to meet you.\n{values['comment']}\n\nkey: no")
    project = psa.to_project(tree([root, *TEMPLATE[1:]]), SETTINGS, TODAY)

    assert (project.code, project.name, project.business_key) == ("P-0042", "Data - platform", "prj_1")
    assert (project.start, project.end, project.manager_id) == (TODAY, date(2027, 5, 31), person.id)


def test_day_that_somebody_wrote_over_is_none() -> None:
    root = replace(TEMPLATE[0], comment="key: prj_1\nstart: soon\nend: 31.12.")

    project = psa.to_project(tree([root]), SETTINGS, TODAY)

    assert (project.start, project.end) == (None, None)


def test_tasks_come_parents_first_whatever_their_ids() -> None:
    root, first, second, third = TEMPLATE
    below = [replace(first, parent=third.id), second, third, replace(TEMPLATE[0], id=99, parent=root.id)]

    tasks = tree([root, *below]).tasks

    assert [task.id for task in tasks] == [second.id, third.id, first.id]


def test_root_that_is_gone_has_no_tree() -> None:
    assert psa.trees(TEMPLATE[1:], [TEMPLATE[0].id]) == []


@pytest.mark.parametrize(("hours", "text"), [("16", "16"), ("0.3333", "0.3333"), ("16.50", "16.5"), ("0", "0")])
def test_planned_hours_are_read_back_as_they_were_sent(hours: str, text: str) -> None:
    values = psa.from_new_task(NewTask(business_key="tsk_1", name="Build", planned_hours=hours), 1, None)

    task = psa.to_task(replace(TEMPLATE[1], effort_duration=values["effort_duration"]), TEMPLATE[0].id, TODAY)

    assert task.planned_hours == text
    assert (task.parent_id, task.state) == (None, State1.closed)


def test_person_whose_days_are_over_is_inactive() -> None:
    ana = record("employee", wire.Employee)

    states = [psa.to_resource(replace(ana, end_date=day), TODAY).state for day in (None, TODAY, date(2026, 11, 24))]

    assert states == [State.active, State.active, State.inactive]


def test_moments_have_a_zone() -> None:
    assert ALDER.last_modified_at is not None
    assert ALDER.last_modified_at.astimezone(UTC) > datetime(2026, 1, 1, tzinfo=UTC)
