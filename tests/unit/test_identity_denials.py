"""Tokens and clients that are denied: from the next call on, in every process, until it is lifted or runs out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy.exc import OperationalError

from gateway.caller import INSTALLATION
from gateway.errors import Refused, Unavailable
from gateway.identity import Denials
from gateway.identity.denials import UNKNOWN
from gateway.store import denials
from gateway.store.database import Store, create_engine
from gateway.store.denials import Denial, DenialKind, NewDenial
from gateway.store.pages import Window
from openapi.common.types import Code
from tests.tokens import ISSUER, NOW, OTHER, STRANGE_KEY, Clock, Desk, open_desk, token

START = datetime.fromtimestamp(NOW, UTC)
AWAY = OperationalError("select", None, Exception("gone"))


class Book:
    """The table as a list, with somebody who counts the readings."""

    def __init__(self) -> None:
        self.rows: list[Denial] = []
        self.readings = 0
        self.away = False
        self.held = asyncio.Event()
        self.held.set()

    def deny(self, kind: str, name: str, issuer: str = "", until: datetime | None = None) -> None:
        new = {"id": "den_1", "reason": "lost", "denied_by": "admin", "denied_at": START}
        self.rows.append(Denial(kind=DenialKind(kind), name=name, issuer=issuer, until=until, **new))

    async def read(self) -> Sequence[Denial]:
        self.readings += 1
        found = list(self.rows)
        await self.held.wait()
        if self.away:
            raise AWAY
        return found


class Office(NamedTuple):
    """A desk that asks a book, on one clock."""

    desk: Desk
    book: Book

    async def refuses(self, given: bytes) -> bool:
        """Tell whether the token is refused now, remembered or not."""
        if self.desk.verifier.remembered(given):
            return False
        try:
            await self.desk.verifier.verify(given)
        except Refused as refused:
            return refused.code is Code.auth_invalid_token
        return False


@pytest.fixture
def office(tmp_path: Path) -> Office:
    book, clock = Book(), Clock()
    return Office(open_desk(tmp_path, Denials(book.read, clock=clock, wall=clock), clock), book)


async def test_denied_token_is_refused_although_it_was_remembered(office: Office) -> None:
    good, other = token(jti="t1"), token(jti="t2")
    verifier = office.desk.verifier
    identity = await verifier.verify(good)
    await verifier.verify(other)
    office.book.deny("token", "t1")

    assert verifier.denials_moved(1)
    await verifier.reload_denials(1)

    assert verifier.is_denied(identity)
    assert await office.refuses(good)
    assert not await office.refuses(other)


async def test_denied_client_is_refused_with_every_token(office: Office) -> None:
    tokens = [token(), token(), token(client_id="pm")]
    for good in tokens:
        await office.desk.verifier.verify(good)
    office.book.deny("client", "crm")

    await office.desk.verifier.reload_denials(1)

    assert [await office.refuses(good) for good in tokens] == [True, True, False]
    assert await office.refuses(token())


async def test_denial_of_one_issuer_leaves_the_client_of_another_alone(office: Office) -> None:
    ours, theirs = token(), token(STRANGE_KEY, iss=OTHER)
    office.book.deny("client", "crm", ISSUER)

    await office.desk.verifier.reload_denials(1)

    assert (await office.refuses(ours), await office.refuses(theirs)) == (True, False)


async def test_client_named_like_a_token_is_not_denied(office: Office) -> None:
    office.book.deny("token", "crm")
    office.book.deny("client", "t1")

    await office.desk.verifier.reload_denials(1)

    assert not await office.refuses(token(jti="t1"))


async def test_denial_ends_at_its_time(office: Office) -> None:
    good = token()
    office.book.deny("client", "crm", until=START + timedelta(seconds=60))
    await office.desk.verifier.reload_denials(1)

    before = await office.refuses(good)
    office.desk.clock.now += 60

    assert (before, await office.refuses(good)) == (True, False)


async def test_denial_that_was_lifted_is_forgotten(office: Office) -> None:
    good = token()
    office.book.deny("client", "crm")
    await office.desk.verifier.reload_denials(1)
    office.book.rows.clear()

    await office.desk.verifier.reload_denials(2)

    assert not await office.refuses(good)


@pytest.mark.parametrize(("known", "told", "moved"), [(None, 0, True), (0, 0, False), (3, 4, True), (4, 0, True)])
async def test_denials_moved_where_the_generation_is_another(
    office: Office, known: int | None, told: int, *, moved: bool
) -> None:
    if known is not None:
        await office.desk.verifier.reload_denials(known)

    assert office.desk.verifier.denials_moved(told) is moved


async def test_all_who_wait_for_one_generation_share_a_reading(office: Office) -> None:
    await asyncio.gather(*(office.desk.verifier.reload_denials(7) for _ in range(100)))

    assert office.book.readings == 1


async def test_denial_entered_while_another_reading_is_under_way_is_read_by_the_next(office: Office) -> None:
    office.book.held.clear()
    first = asyncio.create_task(office.desk.verifier.reload_denials(1))
    await asyncio.sleep(0)
    office.book.deny("client", "crm")
    second = asyncio.create_task(office.desk.verifier.reload_denials(2))
    await asyncio.sleep(0)

    office.book.held.set()
    await asyncio.gather(first, second)

    assert await office.refuses(token())


async def test_denials_are_read_once_a_second_while_nobody_can_tell_what_moved(office: Office) -> None:
    verifier = office.desk.verifier
    for _ in range(10):
        await verifier.reload_denials(UNKNOWN)
    once = office.book.readings
    office.book.deny("client", "crm")
    office.desk.clock.now += 1

    assert verifier.denials_moved(UNKNOWN)
    await verifier.reload_denials(UNKNOWN)

    assert (once, office.book.readings) == (1, 2)
    assert await office.refuses(token())
    assert verifier.denials_moved(0)


async def test_nobody_is_let_in_while_denials_that_moved_cannot_be_read(office: Office) -> None:
    office.book.away = True

    with pytest.raises(Unavailable) as unavailable:
        await office.desk.verifier.reload_denials(1)

    assert unavailable.value.code is Code.auth_unavailable
    assert office.desk.verifier.denials_moved(1)


async def test_who_waits_for_denials_that_cannot_be_read_waits_for_one_try(office: Office) -> None:
    office.book.away = True
    office.book.held.clear()
    calls = [asyncio.create_task(office.desk.verifier.reload_denials(1)) for _ in range(20)]
    await asyncio.sleep(0)
    office.book.held.set()
    told = await asyncio.gather(*calls, return_exceptions=True)

    assert (office.book.readings, {type(one) for one in told}) == (1, {Unavailable})
    office.book.away = False
    await office.desk.verifier.reload_denials(1)
    assert not office.desk.verifier.denials_moved(1)


async def test_database_that_says_nothing_is_not_waited_for_for_ever(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.identity.denials.WITHIN_S", 0.0)
    office.book.held.clear()

    with pytest.raises(Unavailable):
        await office.desk.verifier.reload_denials(1)

    assert office.desk.verifier.denials_moved(1)


async def test_denials_are_read_now_and_then_although_nothing_moved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book, clock = Book(), Clock()
    pauses: asyncio.Queue[float] = asyncio.Queue()
    going = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.put_nowait(seconds)
        await going.wait()
        going.clear()

    desk = open_desk(tmp_path, Denials(book.read, clock=clock, wall=clock), clock, sleep)
    office = Office(desk, book)
    await desk.verifier.start()
    await pauses.get()
    good = token()
    await desk.verifier.verify(good)
    book.deny("client", "crm")
    going.set()
    await pauses.get()
    refused = await office.refuses(good)
    book.away = True
    going.set()
    pause_s = await pauses.get()
    await desk.verifier.close()

    assert refused
    assert pause_s == 30
    assert "The denials stay as they were" in caplog.text
    assert await office.refuses(good)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = Store(create_engine(database_url), lambda: START)
    async with opened.begin() as connection:
        await connection.run_sync(denials.tb_denial.create, checkfirst=True)
    yield opened
    await opened.close()


def later(store: Store, **after: float) -> Store:
    return Store(store.engine, lambda: START + timedelta(**after))


LOST = NewDenial(kind=DenialKind.token, name="t1", issuer=ISSUER, reason="A laptop was lost.")
LEFT = NewDenial(kind=DenialKind.client, name="crm", until=START + timedelta(hours=1), reason="It sends too much.")


async def test_denial_stands_in_the_database_and_in_a_verifier(store: Store, tmp_path: Path) -> None:
    made = await denials.deny(store, INSTALLATION, LOST)
    clock = Clock()
    desk = open_desk(tmp_path, Denials(partial(denials.list_standing, store), wall=clock), clock)
    await desk.verifier.reload_denials(1)

    assert await denials.get(store, INSTALLATION, made.id) == made
    assert (made.denied_by, made.denied_at, made.until) == ("tiebeam", START, None)
    with pytest.raises(Refused):
        await desk.verifier.verify(token(jti="t1"))


async def test_token_denied_again_has_one_row_which_says_what_was_said_last(store: Store) -> None:
    first = await denials.deny(store, INSTALLATION, LOST)
    again = NewDenial(kind=LOST.kind, name=LOST.name, issuer=LOST.issuer, reason="It was stolen.")
    second = await denials.deny(later(store, minutes=5), INSTALLATION, again)

    listed = await denials.list_all(store, INSTALLATION, Window())

    assert [one.reason for one in listed.items] == ["It was stolen."]
    assert first.id == second.id


async def test_denial_that_ran_out_stands_no_more_and_can_still_be_looked_up(store: Store) -> None:
    await denials.deny(store, INSTALLATION, LEFT)

    standing = await denials.list_standing(store)
    after = await denials.list_standing(later(store, hours=1))
    listed = await denials.list_all(later(store, hours=1), INSTALLATION, Window(), kind=DenialKind.client)

    assert [one.name for one in standing] == ["crm"]
    assert after == []
    assert [one.name for one in listed.items] == ["crm"]


async def test_denial_that_ran_out_a_month_ago_is_gone(store: Store) -> None:
    left = await denials.deny(store, INSTALLATION, LEFT)
    await denials.deny(later(store, days=31), INSTALLATION, LOST)

    with pytest.raises(Refused) as refused:
        await denials.get(store, INSTALLATION, left.id)

    assert refused.value.code is Code.resource_not_found


async def test_lifted_denial_is_gone_and_cannot_be_lifted_twice(store: Store) -> None:
    made = await denials.deny(store, INSTALLATION, LOST)
    await denials.lift(store, INSTALLATION, made.id)

    with pytest.raises(Refused) as refused:
        await denials.lift(store, INSTALLATION, made.id)

    assert refused.value.code is Code.resource_not_found
    assert await denials.list_standing(store) == []


async def test_verifier_without_a_database_denies_nobody(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    await desk.verifier.reload_denials(1)

    identity = await desk.verifier.verify(token())

    assert not desk.verifier.is_denied(identity)
