"""Flushing: again and again, once more at the end, and a database that is away is told of once."""

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from gateway.edge.flushing import Flushing


class Flushed:
    """Counts flushes; fails as often as it is told, hangs if it is told."""

    def __init__(self, fails: int = 0, *, hangs: bool = False) -> None:
        self.times, self.fails, self.hangs = 0, fails, hangs
        self.error: Exception = OperationalError("insert", {}, Exception("The server closed the connection."))
        self.third = asyncio.Event()

    async def __call__(self) -> None:
        """Flush."""
        self.times += 1
        if self.times >= 3:
            self.third.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.times <= self.fails:
            raise self.error


async def test_it_flushes_again_and_again_and_once_more_at_the_end() -> None:
    flushed = Flushed()
    flushing = Flushing(flushed, every_s=0.001)
    await flushing.start()
    await flushed.third.wait()
    before = flushed.times
    await flushing.close()

    assert flushed.times > before


async def test_what_ends_at_once_waits_for_no_turn() -> None:
    flushed = Flushed()
    flushing = Flushing(flushed, every_s=3600)
    await flushing.start()
    await flushing.close()

    assert flushed.times == 1


async def test_what_never_began_is_flushed_at_the_end() -> None:
    flushed = Flushed()
    await Flushing(flushed).close()

    assert flushed.times == 1


async def test_a_database_that_is_away_is_told_of_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    flushed = Flushed(fails=2)
    flushing = Flushing(flushed, every_s=0.001)
    await flushing.start()
    await flushed.third.wait()
    await flushing.close()

    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_what_nobody_thought_of_ends_nothing() -> None:
    flushed = Flushed(fails=1)
    flushed.error = UnicodeError("No text for the database.")
    flushing = Flushing(flushed, every_s=0.001)
    await flushing.start()
    await flushed.third.wait()
    await flushing.close()

    assert flushed.times >= 3


async def test_what_is_lost_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    await Flushing(Flushed(fails=9)).close()

    assert caplog.records[-1].message == "What was counted last could not be written down, and is lost."


async def test_a_database_that_hangs_does_not_keep_the_process(caplog: pytest.LogCaptureFixture) -> None:
    flushing = Flushing(Flushed(hangs=True), within_s=0.01)
    await flushing.start()
    await flushing.close()

    assert [record.levelname for record in caplog.records] == ["ERROR"]
