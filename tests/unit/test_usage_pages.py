"""Pages of usage, ranked by the database as the report ranks them: every use once, what ends first in front."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.lifecycle import Version, reporting
from gateway.lifecycle.document import Extension, FieldRetirement, Retirement
from gateway.lifecycle.reporting import UsedThing
from gateway.store.database import Store
from gateway.store.usage import Used, UsedPlace, tb_usage
from gateway.store.usage_pages import After, Wanted, page
from tests.fakes.clock import Clock

V1, V2, STATUS = "process/billing_holds/v1", "process/billing_holds/v2", "process/status/v1"
ONE, OTHER = "https://one.example", "https://other.example"
NOW: Final = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
STAYS: Final = Version(
    owner="Ops", contact="o@example.com", service_level="x", data_class="internal", review_on=date(2027, 1, 1)
)
DAYS: Final = st.sampled_from([None, *(NOW + timedelta(days=days) for days in (1, 5, 9))])
FIELD: Final = FieldRetirement(
    operation="place_hold", place="request", pointer="/note", deprecated_at=NOW, instead="Say `reason`."
)
ALL: Final = [
    Used(
        issuer=issuer, client_id=client_id, contract=contract, operation=operation, place=place, pointer=pointer,
        count=1, first_seen=NOW, last_seen=NOW + timedelta(seconds=len(operation)),
    )
    for issuer, client_id, contract, operation in product(
        (ONE, OTHER), ("crm", "Shop"), (V1, V2, STATUS), ("place_hold", "lift_hold", "")
    )
    for place, pointer in ((UsedPlace.call, ""), (UsedPlace.request, "/note"), (UsedPlace.query, "state"))
]  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> Version:
    """Draw the life of a version: it, an operation, a field go or stay, and somebody has longer."""
    own = Retirement(deprecated_at=NOW, sunset_at=draw(DAYS), instead="Another.")
    extended = Extension(
        client_id="crm", issuer=draw(st.sampled_from([None, ONE])), until=NOW + timedelta(days=30), reason="May"
    )
    goes = draw(st.booleans())
    return replace(
        STAYS,
        deprecated_at=NOW if goes else None,
        sunset_at=draw(DAYS) if goes else None,
        operations={"lift_hold": own} if draw(st.booleans()) else {},
        fields=(replace(FIELD, sunset_at=draw(DAYS)),) if draw(st.booleans()) else (),
        extensions=(extended,) if goes and draw(st.booleans()) else (),
    )


async def filled(store: Store) -> None:
    """Write all uses."""
    async with store.begin() as connection:
        await connection.execute(insert(tb_usage), [_row(used) for used in ALL])


async def paged(store: Store, versions: dict[str, Version], wanted: Wanted, limit: int) -> list[UsedThing]:
    """Return what all pages hold, one after the other, as the report asks for them."""
    shown: list[UsedThing] = []
    after: After | None = None
    while True:
        found = await page(store, reporting.endings(versions), wanted, after=after, limit=limit)
        shown += reporting.things(versions, found[:limit])
        if len(found) <= limit:
            return shown
        after = msgspec.json.decode(msgspec.json.encode(shown[-1].after), type=After)


@settings(max_examples=15, deadline=None)
@given(
    st.fixed_dictionaries({V1: lives(), V2: lives(), STATUS: st.just(STAYS)}),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, "crm"]),
    st.sampled_from([7, 100]),
)
def test_pages_hold_every_use_once_in_the_order_of_the_report(
    versions: dict[str, Version],
    going: bool | None,  # noqa: FBT001 - as pages are asked for.
    client_id: str | None,
    limit: int,
) -> None:
    async def played() -> list[UsedThing]:
        store = Store(create_async_engine("sqlite+aiosqlite:///:memory:"), Clock())
        async with store.begin() as connection:
            await connection.run_sync(tb_usage.create)
        await filled(store)
        wanted = Wanted(contracts=[V1, V2], going=going, client_id=client_id)
        found = await paged(store, versions, wanted, limit)
        await store.close()
        return found

    shown = asyncio.run(played())

    every = reporting.things(versions, [one for one in ALL if one.contract != STATUS])
    expected = [one for one in every if going in {None, one.goes} and client_id in {None, one.used.client_id}]
    assert shown == sorted(expected, key=lambda one: one.after)


async def test_either_database_ranks_and_pages_alike(edge_store: Store) -> None:
    await filled(edge_store)
    extended = Extension(client_id="crm", issuer=ONE, until=NOW + timedelta(days=30), reason="May")
    goes = replace(STAYS, deprecated_at=NOW, sunset_at=NOW + timedelta(days=9), extensions=(extended,))
    versions = {V1: goes, V2: replace(STAYS, fields=(FIELD,)), STATUS: STAYS}
    wanted = Wanted(contracts=[V1, V2, STATUS], since=NOW + timedelta(seconds=9))

    shown = await paged(edge_store, versions, wanted, 5)

    every = [one for one in reporting.things(versions, ALL) if one.used.operation]
    assert sorted(shown, key=lambda one: one.after) == sorted(
        (one for one in every if one.used.last_seen >= NOW + timedelta(seconds=9)), key=lambda one: one.after
    )
    assert [one.after.urgency for one in shown] == sorted(one.after.urgency for one in shown)


async def test_dates_that_move_between_two_pages_show_nothing_of_the_past_again(edge_store: Store) -> None:
    await filled(edge_store)
    soon, late = ({V1: replace(STAYS, deprecated_at=NOW, sunset_at=NOW + timedelta(days=d))} for d in (1, 5))
    wanted = Wanted(contracts=[V1, V2])
    first = reporting.things(soon, await page(edge_store, reporting.endings(soon), wanted, after=None, limit=3))

    following = await page(edge_store, reporting.endings(late), wanted, after=first[2].after, limit=100)
    gone = await page(edge_store, reporting.endings({}), wanted, after=first[2].after, limit=500)

    assert {one.contract for one in following[:12]} == {V1}
    assert len(gone) == len([one for one in ALL if one.contract != STATUS])


@pytest.mark.parametrize("contracts", [[], ["process/nothing/v1"]])
async def test_nothing_is_on_the_page_of_what_nobody_uses(edge_store: Store, contracts: list[str]) -> None:
    await filled(edge_store)

    assert await page(edge_store, [], Wanted(contracts=contracts), after=None, limit=5) == []


def _row(used: Used) -> dict[str, Any]:
    return msgspec.structs.asdict(used) | {"place": used.place.value}
