"""What a caller may see, and that no two views are taken for one."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from gateway.caller import INSTALLATION, Caller

CLAIMS = st.one_of(st.just("*"), st.frozensets(st.text(max_size=4), max_size=3))
CALLERS = st.builds(
    Caller,
    client_id=st.text(max_size=4),
    subject=st.text(max_size=4),
    scopes=st.frozensets(st.text(max_size=4), max_size=2),
    legal_entities=CLAIMS,
    customers=CLAIMS,
    projects=CLAIMS,
)


def portal(**claims: object) -> Caller:
    given = {"legal_entities": frozenset({"ES01"}), "customers": "*", "projects": "*"} | claims
    return Caller(client_id="portal", subject="s", scopes=frozenset({"status:read"}), **given)


def test_empty_claim_lets_nothing_through() -> None:
    assert not portal(legal_entities=frozenset()).may_see(legal_entity="ES01")


def test_claims_are_all_asked() -> None:
    caller = portal(customers=frozenset({"cus_1"}))

    assert caller.may_see(legal_entity="ES01", customer="cus_1", project="prj_9")
    assert not caller.may_see(legal_entity="ES01", customer="cus_2")
    assert not caller.may_see(legal_entity="DE01", customer="cus_1")


def test_limited_is_who_has_a_list_of_customers_or_projects() -> None:
    assert portal(customers=frozenset({"cus_1"})).is_limited
    assert portal(projects=frozenset()).is_limited
    assert not portal().is_limited


def test_installation_sees_everything_and_has_no_scope() -> None:
    assert INSTALLATION.may_see(legal_entity="X", customer="Y", project="Z")
    assert not INSTALLATION.has("status:read")


@given(CALLERS, CALLERS)
def test_partitions_are_equal_only_for_equal_views(one: Caller, other: Caller) -> None:
    assert (one.partition == other.partition) == (one == other)


def test_views_are_written_in_one_order_whichever_way_a_set_goes() -> None:
    customers = [f"cus_{number}" for number in range(9)]

    seen = json.decode(portal(customers=frozenset(reversed(customers))).visibility)

    assert seen == [["status:read"], ["ES01"], customers, "*"]


def test_a_claim_on_a_star_is_not_the_claim_on_everything() -> None:
    assert portal(projects=frozenset({"*"})).partition != portal(projects="*").partition
    assert not portal(projects=frozenset({"*"})).may_see(project="prj_1")
