"""What every ERP connector must pass: customers. `erp_projects.py` has the projects of the ledger."""

import re
from functools import partial

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.erp.v1 import Customer, CustomerChange, CustomerState, NewCustomer, OptimisticLock, SearchCustomer
from system_apis.conformance.keys import fresh, fresh_word
from system_apis.conformance.target import ErpTarget

STRANGE_IDS = ("999999999", "99999999999999999999", "0", "-1", "1 OR 1=1", "nobody", "1/2", "%", "ñ")
SPECIAL = ("100% pure", "under_score", "back\\slash", 'it\'s "quoted"', "Ünïcödé Ζωή 株式会社", "a & b <c>; --")


def a_customer(target: ErpTarget, name: str = "Conformance Ltd") -> NewCustomer:
    """Return a customer that does not exist yet, whole."""
    facts = target.facts
    return NewCustomer(
        business_key=fresh("cus"),
        legal_entity=facts.legal_entity,
        name=name,
        country=facts.address.country,
        billing_address=facts.address,
        payment_terms=facts.payment_terms[0],
    )


async def written(target: ErpTarget, new: NewCustomer) -> Customer:
    """Return what the guard made of it, as every caller writes."""
    return await target.writes.once(
        operation="create_customer",
        key=new.business_key,
        payload=new,
        look=partial(target.port.find_customer, new.business_key),
        act=partial(target.port.create_customer, new),
    )


async def test_capabilities_name_the_connection_and_whom_it_serves(target: ErpTarget) -> None:
    capabilities = target.port.capabilities

    assert capabilities.connection == target.port.connection
    assert target.facts.legal_entity in capabilities.legal_entities


async def test_examination_of_a_ready_system_leaves_nothing_to_mend(target: ErpTarget) -> None:
    findings = await target.port.examine()

    assert findings
    assert [finding for finding in findings if not finding.holds] == []


async def test_legal_entities_are_those_that_the_connection_serves(target: ErpTarget) -> None:
    entities = await target.port.list_legal_entities()

    assert {entity.code for entity in entities} == set(target.port.capabilities.legal_entities)
    assert {entity.currency for entity in entities if entity.code == target.facts.legal_entity} == {
        target.facts.currency
    }


async def test_new_customer_is_carried_whole(target: ErpTarget) -> None:
    new = replace(a_customer(target), tax_id=target.facts.tax_ids[0])

    customer = await written(target, new)

    assert (customer.business_key, customer.name, customer.country) == (new.business_key, new.name, new.country)
    assert (customer.billing_address, customer.payment_terms) == (new.billing_address, new.payment_terms)
    assert plain(customer.tax_id) == plain(target.facts.tax_ids[0])
    assert customer.state is CustomerState.active


async def test_customer_written_twice_with_one_key_is_there_once(target: ErpTarget) -> None:
    new = a_customer(target)

    first, again = await written(target, new), await written(target, new)

    assert again == first
    assert await target.books.count_customers(new.business_key) == 1


async def test_customer_is_read_alike_by_key_and_by_id(target: ErpTarget) -> None:
    customer = await written(target, a_customer(target))

    assert await target.port.find_customer(customer.business_key or "") == customer
    assert await target.port.get_customer(customer.id) == customer


async def test_customer_with_an_unknown_key_is_none(target: ErpTarget) -> None:
    assert await target.port.find_customer(fresh("cus")) is None


async def test_key_that_begins_or_resembles_another_finds_nothing(target: ErpTarget) -> None:
    new = a_customer(target)
    await written(target, new)

    for alike in (new.business_key[:-1], f"{new.business_key}1", new.business_key.replace("_", "-")):
        assert await target.port.find_customer(alike) is None


async def test_two_customers_with_one_key_are_a_break(target: ErpTarget) -> None:
    new = a_customer(target)
    await written(target, new)
    if not await target.books.plant_customer(new.business_key):
        assert await target.books.count_customers(new.business_key) == 1
        return

    with pytest.raises(Refused) as refused:
        await target.port.find_customer(new.business_key)

    assert refused.value.code is Code.upstream_conflict_stale


@pytest.mark.parametrize("customer_id", STRANGE_IDS)
async def test_customer_with_an_unknown_id_is_not_there(target: ErpTarget, customer_id: str) -> None:
    with pytest.raises(Refused) as refused:
        await target.port.get_customer(customer_id)

    assert refused.value.code is Code.resource_not_found


async def test_customer_is_found_by_tax_id_in_any_case_and_with_blanks(target: ErpTarget) -> None:
    if SearchCustomer.tax_id not in target.port.capabilities.search_customers:
        pytest.skip("not a capability")
    tax_id = target.facts.tax_ids[0]
    customer = await written(target, replace(a_customer(target), tax_id=tax_id))

    for form in (tax_id, tax_id.lower(), f"{tax_id[:4]} {tax_id[4:]}"):
        assert customer.id in await ids_found(target, tax_id=form)
    assert customer.id not in await ids_found(target, tax_id=target.facts.tax_ids[1])


@pytest.mark.parametrize("special", SPECIAL)
async def test_customer_is_found_by_a_part_of_its_name_in_any_case(target: ErpTarget, special: str) -> None:
    word = fresh_word()
    customer = await written(target, a_customer(target, f"The {word} {special} Company"))

    assert customer.name == f"The {word} {special} Company"
    for part in (f"{word} {special}", f"{word} {special}".upper(), f"{word} {special} comp"):
        assert await ids_found(target, name=part) == [customer.id]


@pytest.mark.parametrize("wildcard", ["%", "_", "*", "?"])
async def test_wildcard_in_a_name_stands_for_itself(target: ErpTarget, wildcard: str) -> None:
    word = fresh_word()
    await written(target, a_customer(target, f"{word}x end"))

    assert await ids_found(target, name=f"{word}{wildcard}") == []


async def test_search_pages_to_the_end_and_shows_each_once(target: ErpTarget) -> None:
    word = fresh_word()
    made = [(await written(target, a_customer(target, f"{word} {number}"))).id for number in range(5)]

    assert sorted(await ids_found(target, limit=2, name=word)) == sorted(made)


async def test_search_shows_no_staff(target: ErpTarget) -> None:
    if target.facts.staff is None:
        pytest.skip("the ERP keeps them apart")

    assert await ids_found(target, name=target.facts.staff) == []


async def test_longest_name_is_carried_whole_or_refused(target: ErpTarget) -> None:
    new = a_customer(target, ("Lange Firma Ünïcödé " * 10)[:200].strip() + "X")
    try:
        customer = await written(target, new)
    except Refused:
        assert await target.books.count_customers(new.business_key) == 0
        return

    assert customer.name == new.name


async def test_bad_tax_id_is_refused_and_nothing_is_made(target: ErpTarget) -> None:
    if target.facts.bad_tax_id is None:
        pytest.skip("the ERP checks none")
    new = replace(a_customer(target), tax_id=target.facts.bad_tax_id)

    with pytest.raises(Refused) as refused:
        await written(target, new)

    assert refused.value.code is Code.customer_tax_id_invalid
    assert await target.books.count_customers(new.business_key) == 0


async def test_unmapped_payment_terms_are_refused_and_nothing_is_made(target: ErpTarget) -> None:
    new = replace(a_customer(target), payment_terms="net_9999")

    with pytest.raises(Refused) as refused:
        await written(target, new)

    assert refused.value.code is Code.mapping_missing
    assert [violation.pointer for violation in refused.value.violations] == ["#/payment_terms"]
    assert await target.books.count_customers(new.business_key) == 0


async def test_change_leaves_what_it_does_not_name(target: ErpTarget) -> None:
    before = await written(target, replace(a_customer(target), tax_id=target.facts.tax_ids[0]))

    after = await target.port.update_customer(before.id, CustomerChange(name="Renamed Ltd"), before.version)

    assert after == replace(before, name="Renamed Ltd", version=after.version, updated_at=after.updated_at)
    assert after.version != before.version
    assert await target.port.get_customer(before.id) == after


async def test_change_reaches_every_field(target: ErpTarget) -> None:
    facts = target.facts
    before = await written(target, replace(a_customer(target), tax_id=facts.tax_ids[0]))
    change = CustomerChange(
        name="Other Ltd",
        tax_id=facts.tax_ids[1],
        payment_terms=facts.payment_terms[1],
        billing_address=facts.other_address,
        state=CustomerState.inactive,
    )

    after = await target.port.update_customer(before.id, change, before.version)

    assert (after.name, after.payment_terms, after.state) == ("Other Ltd", facts.payment_terms[1], change.state)
    assert after.billing_address == facts.other_address
    assert plain(after.tax_id) == plain(facts.tax_ids[1])


async def test_tax_id_can_be_given_later(target: ErpTarget) -> None:
    before = await written(target, a_customer(target))

    after = await target.port.update_customer(before.id, CustomerChange(tax_id=target.facts.tax_ids[0]), before.version)

    assert before.tax_id is None
    assert plain(after.tax_id) == plain(target.facts.tax_ids[0])


async def test_change_with_a_version_that_is_not_the_present_one_is_refused(target: ErpTarget) -> None:
    if target.port.capabilities.optimistic_lock is OptimisticLock.none:
        pytest.skip("not a capability")
    before = await written(target, a_customer(target))
    await target.books.touch_customer(before.id)

    with pytest.raises(Refused) as refused:
        await target.port.update_customer(before.id, CustomerChange(name="Too late Ltd"), before.version)

    assert refused.value.code is Code.precondition_failed
    assert (await target.port.get_customer(before.id)).name == before.name


async def test_change_without_a_version_is_made(target: ErpTarget) -> None:
    before = await written(target, a_customer(target))
    await target.books.touch_customer(before.id)

    after = await target.port.update_customer(before.id, CustomerChange(name="Anyway Ltd"), None)

    assert after.name == "Anyway Ltd"


async def test_refused_change_changes_nothing(target: ErpTarget) -> None:
    before = await written(target, a_customer(target))
    change = CustomerChange(name="Half Ltd", payment_terms="net_9999")

    with pytest.raises(Refused):
        await target.port.update_customer(before.id, change, before.version)

    assert await target.port.get_customer(before.id) == before


async def test_customer_is_inactivated_found_and_reactivated(target: ErpTarget) -> None:
    word = fresh_word()
    made = await written(target, a_customer(target, f"{word} Ltd"))

    gone = await target.port.update_customer(made.id, CustomerChange(state=CustomerState.inactive), made.version)
    by_key, by_name = await target.port.find_customer(made.business_key or ""), await ids_found(target, name=word)
    back = await target.port.update_customer(made.id, CustomerChange(state=CustomerState.active), gone.version)

    assert (gone.state, back.state) == (CustomerState.inactive, CustomerState.active)
    assert by_key == gone
    assert by_name == [made.id]
    assert back.name == made.name


async def test_change_of_an_unknown_customer_is_not_there(target: ErpTarget) -> None:
    with pytest.raises(Refused) as refused:
        await target.port.update_customer("999999999", CustomerChange(name="Nobody Ltd"), None)

    assert refused.value.code is Code.resource_not_found


async def test_lost_session_is_not_noticed(target: ErpTarget) -> None:
    new = a_customer(target)

    await target.lose_session()
    customer = await written(target, new)
    await target.lose_session()

    assert await target.port.get_customer(customer.id) == customer
    assert await target.books.count_customers(new.business_key) == 1


async def ids_found(
    target: ErpTarget, *, limit: int = 20, name: str | None = None, tax_id: str | None = None
) -> list[str]:
    """Return the ids of all pages of a search."""
    found, after = [], None
    while True:
        page = await target.port.search_customers(name=name, tax_id=tax_id, after=after, limit=limit)
        assert len(page.items) <= limit
        found += [customer.id for customer in page.items]
        after = page.after
        if after is None:
            return found


def plain(tax_id: object) -> str:
    """Return a tax id without what does not count."""
    return re.sub(r"[^0-9A-Z]", "", str(tax_id).upper()) if tax_id is not UNSET else ""
