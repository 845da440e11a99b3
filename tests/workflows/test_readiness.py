"""Whether the database is there and fits, asked every few seconds: what is told, and what that costs."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text

from gateway.durable import Readiness, migrate
from gateway.durable.engine import sync_engine
from gateway.durable.readiness import GIVEN_UP_S
from tests.fakes.clock import Time


def changed(url: str, statement: str) -> None:
    database = sync_engine(url, pool_size=1)
    with database.begin() as connection:
        connection.execute(text(statement))
    database.dispose()


async def test_database_that_fits_is_looked_at_once_and_then_only_asked(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, pending = [], migrate.pending

    def look(url: str) -> list[str]:
        looks.append(url)
        return pending(url)

    monkeypatch.setattr(migrate, "pending", look)
    readiness = Readiness(url)
    first = await readiness.holds()
    caplog.clear()

    with caplog.at_level(logging.INFO):
        later = [await readiness.holds() for _ in range(3)]

    assert (first, later, looks) == (True, [True] * 3, [url])
    assert caplog.records == []


async def test_database_that_lacks_something_is_looked_at_until_it_fits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tiebeam.sqlite'}"
    readiness = Readiness(url)
    before = await readiness.holds()
    await asyncio.to_thread(migrate.migrate, url)

    after = await readiness.holds()

    assert (before, after) == (False, True)


async def test_database_that_another_one_took_the_place_of_is_looked_at_again(url: str) -> None:
    readiness = Readiness(url)
    assert await readiness.holds()
    changed(url, "ALTER TABLE tb_schema_version RENAME TO elsewhere")

    with pytest.raises(sqlalchemy.exc.DBAPIError):
        await readiness.holds()
    without = await readiness.holds()
    changed(url, "ALTER TABLE elsewhere RENAME TO tb_schema_version")

    assert (without, await readiness.holds()) == (False, True)


async def test_look_that_takes_too_long_is_given_up(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began, goes_on, time = threading.Event(), threading.Event(), Time()

    def hang(_url: str) -> list[str]:
        began.set()
        goes_on.wait()
        raise ConnectionError

    monkeypatch.setattr(migrate, "pending", hang)
    readiness = Readiness(sqlite_url, time)
    probe = asyncio.create_task(readiness.holds())
    await asyncio.to_thread(began.wait)
    probe.cancel()
    monkeypatch.setattr(migrate, "pending", lambda _url: [])
    time.now += GIVEN_UP_S

    anew = await readiness.holds()

    goes_on.set()
    assert anew
    assert [type(one) for one in await asyncio.gather(probe, return_exceptions=True)] == [asyncio.CancelledError]


async def test_database_that_is_away_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(migrate, "pending", looks.append)
    readiness = Readiness("postgresql://tiebeam@127.0.0.1:9/tiebeam")

    with pytest.raises(sqlalchemy.exc.OperationalError):
        await readiness.holds()

    assert looks == []
