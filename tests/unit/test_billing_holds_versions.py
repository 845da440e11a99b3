"""Between version 1 and version 2 of billing holds nothing is lost but what version 1 has no word for."""

from datetime import UTC, date, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from openapi.common.types import Money
from openapi.process.billing_holds import v1 as older
from openapi.process.billing_holds import v2 as newer
from process_apis.billing_holds.v1 import STANDINGS, hold_of, same

TEXT = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1, max_size=20
)
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 — a bound.
IDS = st.sampled_from(
    ["prj_01KB0Q3V8X5N7E9RZ2M4T6W8YA", "con_01KB0Q3V8X5N7E9RZ2M4T6W8YB-3", "con_01KB0Q3V8X5N7E9RZ2M4T6W8YB-3-1"]
)
SCOPES = st.builds(newer.HoldScope, type=st.sampled_from(newer.HoldScopeType), id=IDS)
HOLDS = st.builds(
    newer.Hold,
    id=st.just("hld_01KB0Q3V8X5N7E9RZ2M4T6W8YE"),
    object=st.just(newer.HoldObject.hold),
    version=st.integers(1, 10**9),
    business_key=TEXT,
    state=st.sampled_from(newer.HoldState),
    outcome=st.sampled_from(newer.HoldOutcome),
    scope=SCOPES,
    dimensions=st.sampled_from(newer.HoldDimensions),
    reason_code=st.sampled_from(newer.HoldReason),
    note=st.none() | TEXT,
    placed_by=TEXT,
    placed_in=TEXT,
    reference=st.none() | TEXT,
    placed_at=INSTANTS,
    review_date=DAYS,
    until=st.none() | DAYS,
    legal_entity=st.none() | TEXT,
    customer=TEXT,
    project=st.none() | TEXT,
    requests=st.lists(
        st.builds(
            newer.HeldRequest,
            request_id=TEXT,
            effect=st.sampled_from(newer.HoldEffect),
            invoice_id=st.none() | TEXT,
            invoice_number=st.none() | TEXT,
            detail=TEXT,
            at=INSTANTS,
        ),
        max_size=3,
    ),
    acks=st.lists(
        st.builds(
            newer.HoldAck,
            connection=TEXT,
            project=TEXT,
            state=st.sampled_from(newer.HoldAckState),
            held=st.none() | st.booleans(),
            asked_at=INSTANTS,
            at=st.none() | INSTANTS,
        ),
        max_size=3,
    ),
    overrides=st.lists(
        st.builds(
            newer.HoldOverride,
            id=TEXT,
            object=st.just(newer.HoldOverrideObject.hold_override),
            hold_id=TEXT,
            request_id=TEXT,
            business_key=TEXT,
            net=st.just(Money(amount="120.00", currency="EUR")),
            state=st.sampled_from(newer.HoldOverrideState),
            reason=st.none() | TEXT,
            requested_by=st.none() | TEXT,
            requested_at=INSTANTS,
            approved_by=st.none() | TEXT,
            approved_at=st.none() | INSTANTS,
            withdrawn_by=st.none() | TEXT,
            withdrawn_at=st.none() | INSTANTS,
            invoice_id=st.none() | TEXT,
            invoice_number=st.none() | TEXT,
        ),
        max_size=2,
    ),
    lifted=st.none() | st.builds(newer.Lifted, by=TEXT, at=INSTANTS, reason=st.none() | TEXT),
    links=st.lists(st.builds(newer.HoldLink, rel=TEXT, href=TEXT), max_size=2),
    correlation_id=TEXT,
    updated_at=INSTANTS,
)
BODIES = st.builds(
    older.NewHold,
    scope=st.builds(older.HoldScope, type=st.sampled_from(older.HoldScopeType), id=IDS),
    dimensions=st.just(UNSET) | st.sampled_from(older.HoldDimensions),
    reason_code=st.sampled_from(older.HoldReason),
    note=st.just(UNSET) | TEXT,
    reference=st.just(UNSET) | TEXT,
    review_date=st.just(UNSET) | DAYS,
    until=st.just(UNSET) | DAYS,
)


@given(BODIES)
def test_request_comes_back_as_it_went(body: older.NewHold) -> None:
    assert same(same(body, newer.NewHold), older.NewHold) == body


@given(HOLDS)
def test_answer_comes_back_but_for_overrides_and_the_outcome_of_what_has_ended(hold: newer.Hold) -> None:
    told = hold_of(hold)

    assert msgspec.json.decode(msgspec.json.encode(told), type=older.Hold) == told
    assert newer_of(told, else_outcome=hold.outcome, overrides=hold.overrides) == hold


def test_no_two_states_are_one() -> None:
    assert len(set(STANDINGS.values())) == len(STANDINGS) == len(older.HoldState)


def newer_of(hold: older.Hold, *, else_outcome: newer.HoldOutcome, overrides: list[newer.HoldOverride]) -> newer.Hold:
    """Return the hold as version 2 has it; what version 1 does not say is given."""
    stands = STANDINGS[hold.state]
    assert hold.in_force is (stands.state is newer.HoldStanding.in_force)
    assert hold.lift_mode is (older.HoldLiftMode.until_date if hold.until else older.HoldLiftMode.until_lifted)
    plain = msgspec.to_builtins(hold)
    del plain["in_force"], plain["lift_mode"]
    said = {"state": stands.state.value, "outcome": (stands.outcome or else_outcome).value}
    said |= {"overrides": msgspec.to_builtins(overrides)}
    return msgspec.convert(plain | said, newer.Hold)
