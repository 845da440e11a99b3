"""What every ERP connector must pass: periods, items, tax codes, which postings need."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.system.erp.v1 import Activity, Item, Period, PeriodState, TaxCode
from system_apis.conformance.target import ErpTarget


def today() -> date:
    """Return a day in an open period."""
    return datetime.now(UTC).date()


async def period_of(target: ErpTarget, day: date) -> Period:
    """Return the one period that the day falls into."""
    (period,) = (await target.port.list_periods(target.facts.legal_entity, on=day)).items
    return period


async def all_periods(target: ErpTarget, limit: int) -> list[Period]:
    """Return the periods of all pages."""
    found: list[Period] = []
    after = None
    while True:
        page = await target.port.list_periods(target.facts.legal_entity, after=after, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        after = page.after
        if after is None:
            return found


async def all_tax_codes(target: ErpTarget, limit: int) -> list[TaxCode]:
    """Return the tax codes of all pages."""
    found: list[TaxCode] = []
    after = None
    while True:
        page = await target.port.list_tax_codes(target.facts.legal_entity, after=after, limit=limit)
        found += page.items
        after = page.after
        if after is None:
            return found


async def all_items(target: ErpTarget, limit: int) -> list[Item]:
    """Return the items of all pages."""
    found: list[Item] = []
    after = None
    while True:
        page = await target.port.list_items(after=after, limit=limit)
        found += page.items
        after = page.after
        if after is None:
            return found


async def test_period_of_a_day_is_the_one_that_it_falls_into(target: ErpTarget) -> None:
    period = await period_of(target, today())

    assert period.start <= today() <= period.end
    assert (period.state, period.legal_entity) == (PeriodState.open, target.facts.legal_entity)


async def test_periods_are_listed_once_each_the_earliest_first(target: ErpTarget) -> None:
    periods = await all_periods(target, limit=5)

    assert [period.start for period in periods] == sorted({period.start for period in periods})
    assert await period_of(target, today()) in periods


async def test_day_without_a_period_has_none(target: ErpTarget) -> None:
    assert (await target.port.list_periods(target.facts.legal_entity, on=date(1950, 1, 1))).items == []


async def test_periods_of_an_entity_that_is_not_served_are_refused(target: ErpTarget) -> None:
    for asked in (target.port.list_periods, target.port.list_tax_codes):
        with pytest.raises(Refused) as refused:
            await asked("ZZ99")

        assert refused.value.code is Code.entity_mapping_missing


async def test_closed_period_is_told_at_once(target: ErpTarget) -> None:
    day = target.facts.closable
    before = await period_of(target, day)

    await target.books.close_period(day)
    closed = await period_of(target, day)
    await target.books.open_period(day)

    assert (before.state, closed.state) == (PeriodState.open, PeriodState.soft_closed)
    assert (await period_of(target, day)).state is PeriodState.open


async def test_tax_code_is_told_with_its_percentage(target: ErpTarget) -> None:
    codes = {code.code: code for code in await all_tax_codes(target, limit=2)}

    tax = codes[target.facts.tax_code]
    assert tax.state is Activity.active
    assert tax.percent is not None
    assert Decimal(tax.percent) == Decimal(21)


async def test_item_is_found_by_its_code_and_listed_once(target: ErpTarget) -> None:
    code = target.facts.item
    if code is None:
        pytest.skip("not a capability")
    items = await all_items(target, limit=3)

    (found,) = (await target.port.list_items(code=code)).items
    assert found in items
    assert len({item.id for item in items}) == len(items)
    assert (await target.port.list_items(code=f"{code}-nobody")).items == []
