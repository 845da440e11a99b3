"""Which customer is meant: known, chosen or new; a likeness is a question, never a link."""

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code, Reason, Reference
from openapi.system.erp.v1 import CreditStatus, CustomerState, SearchCustomer
from process_apis.project_onboarding import documents, names
from process_apis.project_onboarding.customers import MERGED_INTO, Wish, choose, find_candidates, wish
from tests.fakes.erp import CAPABILITIES, FakeErp
from tests.fakes.statement_of_work import signed

BODY = signed()
OPEN = Wish(known_id=None, link_to=None, confirmed_new=False)
NOBODY = {"tax_id": None, "business_key": None}


async def erp_with(*customers: tuple[str, dict[str, object]], **capabilities: object) -> FakeErp:
    """Return an ERP that has customers like the one meant, but for a name and other changes."""
    port = FakeErp(replace(CAPABILITIES, **capabilities))
    for name, changes in customers:
        made = await port.create_customer(documents.new_customer(BODY))
        port.customers.put(replace(made, name=name, **changes), port.clock())
    return port


async def refusal(port: FakeErp, wished: Wish = OPEN) -> Refused:
    with pytest.raises(Refused) as refused:
        await choose(port, BODY, wished)
    return refused.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Alder Foods S.A.", "alder foods"),
        ("ALDER  FOODS, S.L.U.", "alder foods"),
        ("Müller & Söhne GmbH & Co. KG", "muller sohne"),
        ("S.A.", "sa"),
    ],
)
def test_name_is_compared_without_form_accents_and_case(name: str, expected: str) -> None:
    assert names.normalised(name) == expected


def test_name_is_searched_by_its_plain_pieces() -> None:
    assert names.fragments("Alder Foods S.A.") == ["alder", "foods"]
    assert names.fragments("Müller & Söhne GmbH") == ["ller", "hne"]
    assert names.fragments(" 株式会社 ") == ["株式会社"]


async def test_customer_that_nobody_has_is_made() -> None:
    port = await erp_with(("Birch Works", NOBODY))

    assert (await choose(port, BODY, OPEN)).customer is None


@pytest.mark.parametrize(
    ("name", "changes", "reasons"),
    [
        ("Quite Other", {"business_key": None}, [Reason.tax_id_equal]),
        ("Alder Foods SL", NOBODY, [Reason.name_alike]),
        ("Alder Foods SL", {"business_key": None}, [Reason.tax_id_equal, Reason.name_alike]),
    ],
)
async def test_customer_alike_is_a_question(name: str, changes: dict[str, object], reasons: list[Reason]) -> None:
    refused = await refusal(await erp_with((name, changes)))

    assert refused.code is Code.customer_duplicate_candidate
    assert [(one.external_id, one.reasons) for one in refused.candidates] == [("1", reasons)]


async def test_candidates_come_with_the_same_tax_id_first_then_by_likeness() -> None:
    port = await erp_with(
        ("Alder Foods", NOBODY), ("Alder Food", NOBODY), ("Elsewhere", {"business_key": None}), ("Alder", NOBODY)
    )

    found = await find_candidates(port, BODY.customer)

    assert [candidate.external_id for candidate in found] == ["3", "1", "4", "2"]


async def test_all_pages_of_a_search_are_looked_at() -> None:
    others = [(f"Alder {number}", NOBODY) for number in range(120)]
    port = await erp_with(*others, ("Alder Foods", NOBODY))

    found = await find_candidates(port, BODY.customer)

    assert "121" in {candidate.external_id for candidate in found}


async def test_erp_that_cannot_search_is_not_asked() -> None:
    port = await erp_with(("Alder Foods", {"business_key": None}), search_customers=[])

    assert (await choose(port, BODY, OPEN)).customer is None
    assert port.calls["search_customers"] == 0


async def test_erp_that_searches_by_name_only_is_asked_for_names() -> None:
    port = await erp_with(("Alder Foods", NOBODY), search_customers=[SearchCustomer.name])

    assert (await refusal(port)).code is Code.customer_duplicate_candidate


async def test_chosen_candidate_is_linked() -> None:
    port = await erp_with(("Alder Foods SL", NOBODY))

    choice = await choose(port, BODY, replace(OPEN, link_to="1"))

    assert choice.customer is not None
    assert choice.customer.id == "1"
    assert not choice.to_reactivate


async def test_customer_that_is_no_candidate_cannot_be_linked() -> None:
    port = await erp_with(("Alder Foods SL", NOBODY), ("Birch Works", NOBODY))

    refused = await refusal(port, replace(OPEN, link_to="2"))

    assert (refused.code, refused.violations[0].pointer) == (Code.customer_not_found, "#/customer/link_to")


async def test_customer_confirmed_as_new_is_made_beside_the_candidate() -> None:
    port = await erp_with(("Alder Foods SL", NOBODY))

    assert (await choose(port, BODY, replace(OPEN, confirmed_new=True))).customer is None


async def test_customer_that_carries_our_key_is_ours_without_a_question() -> None:
    port = await erp_with(("Alder Foods SL", {}))

    choice = await choose(port, BODY, OPEN)

    assert choice.customer is not None
    assert choice.customer.id == "1"


async def test_customer_that_we_linked_before_is_taken_without_a_search() -> None:
    port = await erp_with(("Another Name", NOBODY))

    choice = await choose(port, BODY, replace(OPEN, known_id="1"))

    assert choice.customer is not None
    assert choice.customer.id == "1"
    assert port.calls["search_customers"] == 0


async def test_our_customer_that_an_earlier_attempt_laid_down_is_taken_up_again() -> None:
    port = await erp_with(("Alder Foods S.A.", {"state": CustomerState.inactive}))

    assert (await choose(port, BODY, OPEN)).to_reactivate


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": CustomerState.inactive}, Code.customer_inactive),
        ({"credit_status": CreditStatus.hold}, Code.customer_credit_hold),
        ({"references": [Reference(type=MERGED_INTO, value="9")]}, Code.customer_merged),
    ],
)
async def test_customer_that_takes_no_business_is_refused(changes: dict[str, object], code: Code) -> None:
    port = await erp_with(("Alder Foods SL", NOBODY | changes))

    assert (await refusal(port, replace(OPEN, link_to="1"))).code is code


async def test_erp_whose_customers_are_made_by_hand_is_told_so() -> None:
    port = await erp_with(create_customers=False)

    assert (await refusal(port)).code is Code.capability_missing


def test_wish_is_what_the_statement_of_work_says() -> None:
    said = signed(customer__link_to="17").customer

    assert wish(said, None) == Wish(known_id=None, link_to="17", confirmed_new=False)
    assert wish(BODY.customer, "3") == Wish(known_id="3", link_to=None, confirmed_new=False)


def test_customer_is_sent_under_its_legal_name_with_a_compact_tax_id() -> None:
    new = documents.new_customer(signed(customer__tax_id="A-08000143"))

    assert (new.business_key, new.name, new.tax_id) == ("cus_crm1_4711", "Alder Foods S.A.", "ESA08000143")
