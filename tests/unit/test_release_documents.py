"""What the ERP and the PSA are sent: accrued income is released to the cent, and keys stay what they are."""

import itertools
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from openapi.common.types import Money, Outcome
from openapi.system.psa.v1 import TimeFeedback, TimeFeedbackState
from process_apis.invoice_release import documents
from process_apis.invoice_release.order import ReleaseOrder, key_parts, payload_sha256
from process_apis.ledger.facts import Fact, Kind
from process_apis.ledger.keys import LONGEST
from process_apis.ledger.money import total
from process_apis.ledger.requests import InvoiceRequest, RequestState
from system_apis.looks import shows
from tests.fakes.delivered import fact
from tests.workflows.release_stage import THROUGH

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ORDER = ReleaseOrder(
    erp="books",
    psa="delivery",
    legal_entity="ES01",
    contract="con_01KB0Q3V8X5N7E9RZ2M4T6W8YD",
    customer="cus_1",
    project="prj_1",
    key_parts=key_parts("ES01", "con_01KB0Q3V8X5N7E9RZ2M4T6W8YD", "4711", THROUGH, 1),
    through=THROUGH,
    allow_incomplete=False,
    requested_by="finance",
)


def request() -> InvoiceRequest:
    values = dict.fromkeys(("net", "tax", "gross"), "0.00") | dict.fromkeys(("lines", "taxes", "watermark"), "[]")
    return InvoiceRequest(
        id="ivr_1",
        business_key=ORDER.key,
        attempt=1,
        process_id="pin_1",
        legal_entity="ES01",
        customer="cus_1",
        project="prj_1",
        contract=ORDER.contract,
        contract_version=1,
        erp="books",
        currency="EUR",
        period_start=None,
        through=THROUGH,
        accounting_date=THROUGH,
        snapshot_sha256="",
        state=RequestState.rejected,
        outcome=Outcome.none,
        requested_by="finance",
        created_at=NOW,
        updated_at=NOW,
        **values,
    )


sales = st.lists(
    st.tuples(
        st.integers(min_value=-10_000, max_value=1_000_000),
        st.sampled_from([("1.4.2", "4.2.2"), ("1.4.3", "4.2.3")]),
        st.sampled_from([Kind.sale, Kind.fee]),
    ),
    max_size=20,
)


def made(drawn: list[tuple[int, tuple[str, str], Kind]]) -> list[Fact]:
    return [
        fact(number, net=f"{Decimal(cents) / 100:.2f}", debit_account=debit, credit_account=credit, kind=kind)
        for number, (cents, (debit, credit), kind) in enumerate(drawn)
    ]


@given(sales)
def test_releases_are_the_exact_opposite_of_the_sales_on_every_account(
    drawn: list[tuple[int, tuple[str, str], Kind]],
) -> None:
    facts, ids = made(drawn), itertools.count(1)

    releases = documents.release_facts(ORDER, request(), facts, lambda: f"fct_rel{next(ids)}")

    booked = [*(one for one in facts if one.kind is Kind.sale), *releases]
    for account in ("1.4.2", "1.4.3", "4.2.2", "4.2.3"):
        debits = total(Decimal(one.net) for one in booked if one.debit_account == account)
        credits_ = total(Decimal(one.net) for one in booked if one.credit_account == account)
        assert debits == credits_
    assert len({one.business_key for one in releases}) == len(releases)
    assert all(one.kind is Kind.release for one in releases)
    assert all(Decimal(one.net) != 0 for one in releases)


def test_first_release_has_the_plain_key_and_each_further_one_its_number() -> None:
    facts = [fact(number, kind=Kind.sale, debit_account=account) for number, account in enumerate(("1.4.2", "1.4.3"))]

    releases = documents.release_facts(ORDER, request(), facts, lambda: "fct_1")

    assert [one.business_key for one in releases] == [f"{ORDER.key}_rel", f"{ORDER.key}_rel2"]


def test_keys_say_what_they_are_and_fit() -> None:
    long = key_parts("ES01", ORDER.contract, "an account of many words, as some CRMs have them", THROUGH, 12)
    order = ReleaseOrder(
        **{name: getattr(ORDER, name) for name in ORDER.__struct_fields__ if name != "key_parts"}, key_parts=long
    )

    assert ORDER.key == "inv_ES01_01KB0Q3V8X5N7E9RZ2M4T6W8YD_4711_202611_1"
    assert ORDER.part("rel") == f"{ORDER.key}_rel"
    assert len(order.key) <= LONGEST
    assert len(order.part("l999")) <= LONGEST
    assert len({order.key, order.part("l1"), order.part("l2"), order.part("rel")}) == 4
    assert payload_sha256(order) != payload_sha256(ORDER)


def test_entry_of_two_facts_shows_their_sum_once() -> None:
    facts = [fact(1, source_id="7", net="40.00"), fact(2, source_id="7", net="20.00"), fact(3, kind=Kind.sale)]

    told = documents.feedback(request(), facts)

    assert [(one.entry_id, one.amount) for one in told["delivery"]] == [
        ("3", Money(amount="120.00", currency="EUR")),
        ("7", Money(amount="60.00", currency="EUR")),
    ]


def test_entry_that_shows_something_else_is_told_again() -> None:
    (wanted,) = documents.feedback(request(), [fact(1)])["delivery"]
    shown = TimeFeedback(
        entry_id="1", state=TimeFeedbackState.billed, reference=ORDER.key, amount=wanted.amount, reason=None
    )

    assert shows(shown, wanted)
    assert not shows(
        TimeFeedback(
            entry_id="1", state=TimeFeedbackState.posted, reference=ORDER.key, amount=wanted.amount, reason=None
        ),
        wanted,
    )
