"""What goes on beside the runs: it comes again after it broke, and ends with its worker."""

import asyncio

import pytest

from gateway.durable.rounds import Round, going

SOON_S = 0.001


async def test_a_round_that_breaks_is_logged_and_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    acts, thrice = 0, asyncio.Event()

    async def act() -> None:
        nonlocal acts
        acts += 1
        if acts == 3:
            thrice.set()
        raise ValueError("a mistake of ours")

    async with going([Round(name="sweep", every_s=SOON_S, act=act)]):
        await asyncio.wait_for(thrice.wait(), 60)
    ended = acts
    await asyncio.sleep(20 * SOON_S)

    assert "A round broke: sweep." in caplog.text
    assert acts == ended


async def test_a_round_that_takes_long_does_not_hold_up_another() -> None:
    came = asyncio.Event()

    async def hang() -> None:
        await asyncio.Event().wait()

    async def come() -> None:
        came.set()

    rounds = [Round(name="hang", every_s=SOON_S, act=hang), Round(name="come", every_s=SOON_S, act=come)]
    async with going(rounds):
        await asyncio.wait_for(came.wait(), 60)

    assert came.is_set()
