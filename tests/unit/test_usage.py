"""Who uses what, and who was there before, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Client
from gateway.errors import Unavailable
from gateway.lifecycle.document import FieldRetirement
from gateway.store import usage
from gateway.store.database import Store
from gateway.store.usage import Used, UsedPlace, call_key, field_key
from gateway.usage import ABSENT_S, CLIENTS, REST_S, Usage
from openapi.common.types import Code
from tests.fakes.clock import Clock, Time

V1, V2 = "process/billing_holds/v1", "process/billing_holds/v2"
PLACE = f"{V1}:place_hold"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ONE, OTHER = "https://one.example", "https://other.example"
CRM, SHOP, APP = (Client(ONE, name) for name in ("crm", "shop", "app"))
BEFORE = NOW + timedelta(days=1)
NOTE = FieldRetirement(
    operation="place_hold", place="request", pointer="/note", deprecated_at=NOW, instead="Send `reason`."
)


class Watched(Store):
    """A store that counts how often it is asked, and is away while a test says so."""

    begun = 0
    away = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction."""
        self.begun += 1
        if self.away:
            raise OperationalError("select", {}, Exception("The server closed the connection."))
        async with super().begin() as connection:
            yield connection


@pytest.fixture
def store(edge_store: Store) -> Watched:
    """Return the store with the table, on one database after the other."""
    return Watched(edge_store.engine, edge_store.now)


@pytest.fixture
def clock(store: Store) -> Clock:
    """Return the store's clock."""
    assert isinstance(store.now, Clock)
    return store.now


async def test_calls_and_fields_stand_side_by_side(store: Watched) -> None:
    counted = Usage(store)
    counted.count(call_key(CRM, PLACE))
    counted.count_fields(CRM, PLACE, [NOTE])
    counted.count(call_key(SHOP, f"{V2}:place_hold"))
    await counted.flush()

    found = await usage.listing(store, contracts=[V1])

    assert found == [_once(UsedPlace.call), _once(UsedPlace.request, "/note")]
    assert [one.client_id for one in await usage.listing(store, contracts=[V2])] == ["shop"]
    assert await usage.listing(store, contracts=[]) == []


async def test_a_client_was_there_before_where_it_called_any_operation_then(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    counted.count(call_key(CRM, f"{V1}:list_holds"))
    counted.count_fields(CRM, PLACE, [NOTE])
    await counted.flush()

    assert counted.known(CRM, V1, BEFORE) is None, "Nobody has looked yet."
    assert await counted.look(CRM, V1, BEFORE) is True
    assert counted.known(CRM, V1, BEFORE) is True
    assert await counted.look(CRM, V2, BEFORE) is False
    assert await counted.look(SHOP, V1, BEFORE) is False
    assert await counted.look(CRM, V1, clock()) is False, "Its first call was not before then, but at that moment."


async def test_a_call_that_is_not_written_down_yet_counts(store: Watched) -> None:
    counted = Usage(store)
    counted.count(call_key(CRM, PLACE))

    assert await counted.look(CRM, V1, BEFORE) is True


async def test_an_earlier_call_of_another_process_counts(store: Watched, clock: Clock) -> None:
    here, there = Usage(store), Usage(store)
    there.count(call_key(CRM, PLACE))
    await there.flush()
    clock.forward(2 * 86_400)
    here.count(call_key(CRM, PLACE))

    assert await here.look(CRM, V1, BEFORE) is True


async def test_a_client_that_came_later_stays_new(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    clock.forward(2 * 86_400)
    counted.count(call_key(CRM, PLACE))
    await counted.flush()

    assert await counted.look(CRM, V1, BEFORE) is False


async def test_who_was_there_is_looked_up_once(store: Watched) -> None:
    counted = Usage(store)
    counted.count(call_key(CRM, PLACE))
    await counted.flush()
    begun = store.begun

    looked = await asyncio.gather(*(counted.look(CRM, V1, BEFORE) for _ in range(20)))

    assert looked == [True] * 20
    assert store.begun == begun + 1


async def test_that_somebody_was_not_there_is_believed_only_shortly(store: Watched) -> None:
    time = Time()
    counted, other = Usage(store, time), Usage(store)
    first = await asyncio.gather(*(counted.look(CRM, V1, BEFORE) for _ in range(20)))
    asked = store.begun
    other.count(call_key(CRM, PLACE))
    await other.flush()
    at_once = counted.known(CRM, V1, BEFORE)
    time.now += ABSENT_S
    later = counted.known(CRM, V1, BEFORE)

    assert (first, asked) == ([False] * 20, 1)
    assert (at_once, later) == (False, None)
    assert await counted.look(CRM, V1, BEFORE) is True


async def test_a_date_that_moves_is_looked_up_anew(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    clock.forward(2 * 86_400)
    counted.count(call_key(CRM, PLACE))
    refused = await counted.look(CRM, V1, BEFORE)

    assert refused is False
    assert counted.known(CRM, V1, BEFORE + timedelta(days=9)) is None
    assert await counted.look(CRM, V1, BEFORE + timedelta(days=9)) is True
    assert await counted.look(CRM, V1, BEFORE) is False


async def test_while_nobody_can_look_nobody_is_called_new(store: Watched) -> None:
    time = Time()
    counted = Usage(store, time)
    store.away = True
    looks = (counted.look(Client(ONE, name), V1, BEFORE) for name in ("crm", "shop", "app"))
    found = await asyncio.gather(*looks, return_exceptions=True)
    begun, known = store.begun, counted.known(CRM, V1, BEFORE)
    time.now += REST_S
    store.away = False

    assert [one.code for one in found if isinstance(one, Unavailable)] == [Code.usage_unavailable] * 3
    assert (begun, known) == (1, None), "One waits for all who come meanwhile."
    assert await counted.look(CRM, V1, BEFORE) is False


async def test_of_very_many_clients_the_memory_is_bounded(store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage.REMEMBERED", 2)
    counted = Usage(store)
    for name in ("crm", "shop", "app"):
        counted.count(call_key(Client(ONE, name), PLACE))
        assert await counted.look(Client(ONE, name), V1, BEFORE) is True

    assert counted.known(APP, V1, BEFORE) is True
    assert counted.known(CRM, V1, BEFORE) is None, "It was forgotten, and is looked up again."


async def test_of_very_many_clients_that_never_called_the_memory_is_bounded(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.usage.REMEMBERED", 2)
    counted = Usage(store)
    for name in ("crm", "shop", "app"):
        assert await counted.look(Client(ONE, name), V1, BEFORE) is False

    assert counted.known(APP, V1, BEFORE) is False
    assert counted.known(CRM, V1, BEFORE) is None, "It was forgotten, and is looked up again."


def test_calls_of_what_goes_are_shown_by_client_once_it_is_deprecated(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    counted.count_going(call_key(CRM, PLACE), NOW + timedelta(seconds=1))
    ahead = counted.figures()
    clock.forward(1)
    counted.count_going(call_key(CRM, PLACE), NOW + timedelta(seconds=1))

    assert ahead == {"tiebeam_usage_uncounted_total": 0}
    assert counted.figures() == {
        f'tiebeam_deprecated_calls_total{{client="crm",contract="{V1}",issuer="{ONE}"}}': 1,
        "tiebeam_usage_uncounted_total": 0,
    }


def test_uses_of_a_field_are_shown_once_it_is_deprecated(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    coming = structs.replace(NOTE, pointer="/lines/*/note", deprecated_at=clock() + timedelta(seconds=1))
    counted.count_fields(CRM, PLACE, [NOTE, coming])
    before = fields_in(counted)
    clock.forward(1)
    counted.count_fields(CRM, PLACE, [NOTE, coming])

    assert before == {"/note": 1}
    assert fields_in(counted) == {"/note": 2, "/lines/*/note": 1}


def fields_in(counted: Usage) -> dict[str, int]:
    """Return what the metric says, by the field's pointer."""
    prefix = f'tiebeam_deprecated_fields_total{{contract="{V1}",operation="place_hold",place="request",pointer="'
    shown = counted.figures().items()
    return {series.removeprefix(prefix)[:-2]: count for series, count in shown if series.startswith(prefix)}


def test_clients_of_one_name_whom_different_issuers_vouch_for_have_a_series_each(store: Watched) -> None:
    counted = Usage(store)
    for issuer in (ONE, OTHER, OTHER):
        counted.count_going(call_key(Client(issuer, "crm"), PLACE), NOW)

    figures = counted.figures()

    assert figures[f'tiebeam_deprecated_calls_total{{client="crm",contract="{V1}",issuer="{ONE}"}}'] == 1
    assert figures[f'tiebeam_deprecated_calls_total{{client="crm",contract="{V1}",issuer="{OTHER}"}}'] == 2


def test_very_many_clients_share_a_series(store: Watched) -> None:
    counted = Usage(store)
    for number in range(CLIENTS + 5):
        counted.count_going(call_key(Client(ONE, f"client-{number}"), PLACE), NOW)
    counted.count_going(call_key(Client(ONE, "client-0"), PLACE), NOW)

    figures = counted.figures()

    assert figures[f'tiebeam_deprecated_calls_total{{client="other",contract="{V1}",issuer=""}}'] == 5
    assert figures[f'tiebeam_deprecated_calls_total{{client="client-0",contract="{V1}",issuer="{ONE}"}}'] == 2
    assert len(figures) == CLIENTS + 2


def test_a_field_is_counted_at_its_place() -> None:
    key = field_key(CRM, PLACE, UsedPlace.response, "/lines/*/note")

    assert key == (ONE, "crm", V1, "place_hold", "response", "/lines/*/note")


def _once(place: UsedPlace, pointer: str = "") -> Used:
    return Used(
        issuer=ONE,
        client_id="crm",
        contract=V1,
        operation="place_hold",
        place=place,
        pointer=pointer,
        count=1,
        first_seen=NOW,
        last_seen=NOW,
    )


async def test_clients_of_one_name_are_two_where_two_issuers_vouch_for_them(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    counted.count(call_key(CRM, PLACE))
    clock.forward(60)
    counted.count(call_key(Client(OTHER, "crm"), PLACE))
    unwritten = await counted.look(Client(OTHER, "crm"), V1, NOW + timedelta(seconds=30))
    await counted.flush()

    found = [(one.issuer, one.client_id, one.count) for one in await usage.listing(store, contracts=[V1])]
    known = [await Usage(store).look(who, V1, NOW + timedelta(seconds=30)) for who in (CRM, Client(OTHER, "crm"))]

    assert found == [(ONE, "crm", 1), (OTHER, "crm", 1)]
    assert (known, unwritten) == ([True, False], False)


async def test_who_has_not_called_since_calls_no_more(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    for key in (call_key(CRM, PLACE), call_key(SHOP, PLACE), call_key(APP, f"{V2}:place_hold")):
        counted.count(key)
    clock.forward(3600)
    for operation in (PLACE, f"{V1}:list_holds"):
        counted.count(call_key(CRM, operation))
    await counted.flush()

    calling = await usage.calling(store, contracts=[V1, V2], since=clock())

    assert {name: one.clients for name, one in calling.items()} == {V1: 1, V2: 0}
    assert calling[V2].last_seen == NOW


async def test_uses_that_did_not_come_again_are_forgotten(store: Watched, clock: Clock) -> None:
    counted = Usage(store)
    for key in (call_key(CRM, PLACE), call_key(SHOP, PLACE)):
        counted.count(key)
    await counted.flush()
    clock.forward(100)
    counted.count(call_key(SHOP, PLACE))
    await counted.flush()

    await usage.prune(store, 100.0)
    kept = {one.client_id for one in await usage.listing(store, contracts=[V1])}
    await usage.prune(store, 99.0)
    left = {one.client_id for one in await usage.listing(store, contracts=[V1])}

    assert (kept, left) == ({"crm", "shop"}, {"shop"})
