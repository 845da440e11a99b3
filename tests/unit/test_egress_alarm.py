"""One timer for many blocks ends each as `asyncio.timeout` would."""

import asyncio
from collections.abc import Awaitable

import pytest

from gateway.egress.alarm import Alarm

LONG_S, SHORT_S = 600.0, 0.02


async def nothing() -> None:
    await asyncio.get_running_loop().create_future()


async def guarded(alarm: Alarm, seconds: float, work: Awaitable[None]) -> None:
    with alarm.within(seconds):
        await work


async def test_block_ends_when_its_time_is_up_and_no_other_does() -> None:
    alarm = Alarm()
    patient = asyncio.ensure_future(guarded(alarm, LONG_S, nothing()))
    await asyncio.sleep(0)  # The timer is set for the later one.

    with pytest.raises(TimeoutError):
        await guarded(alarm, SHORT_S, nothing())
    with pytest.raises(TimeoutError):
        await guarded(alarm, SHORT_S, nothing())

    assert not patient.done()
    patient.cancel()


async def test_blocks_that_are_due_together_all_end() -> None:
    alarm = Alarm()

    ended = await asyncio.gather(
        *(guarded(alarm, SHORT_S * (1 + number % 3), nothing()) for number in range(9)), return_exceptions=True
    )

    assert [type(each) for each in ended] == [TimeoutError] * 9


async def test_block_that_is_left_in_time_is_never_ended() -> None:
    alarm = Alarm()

    await guarded(alarm, SHORT_S, asyncio.sleep(0))
    await asyncio.sleep(SHORT_S * 3)

    with pytest.raises(TimeoutError):  # The timer rang for nobody, and the next one is set all the same.
        await guarded(alarm, SHORT_S, nothing())


async def test_cancellation_from_elsewhere_stays_one() -> None:
    alarm = Alarm()
    work = asyncio.ensure_future(guarded(alarm, LONG_S, nothing()))
    await asyncio.sleep(0)

    work.cancel()

    with pytest.raises(asyncio.CancelledError):
        await work


async def test_time_that_is_up_with_a_cancellation_from_elsewhere_stays_one() -> None:
    alarm = Alarm()

    async def both() -> None:
        with alarm.within(SHORT_S):
            try:
                await nothing()
            except asyncio.CancelledError:
                work.cancel()  # Before the block is left.
                raise

    work = asyncio.ensure_future(both())

    with pytest.raises(asyncio.CancelledError):
        await work


async def test_error_of_the_block_is_not_taken_for_anything_else() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await guarded(Alarm(), LONG_S, fails())


async def test_inner_block_leaves_the_outer_its_time() -> None:
    alarm = Alarm()

    with alarm.within(LONG_S):
        with pytest.raises(TimeoutError):
            await guarded(alarm, SHORT_S, nothing())
        await asyncio.sleep(0)


async def test_outside_of_a_task_nothing_can_be_ended() -> None:
    raised = list[BaseException]()

    def outside() -> None:
        try:
            with Alarm().within(LONG_S):
                pass
        except RuntimeError as error:
            raised.append(error)

    asyncio.get_running_loop().call_soon(outside)
    await asyncio.sleep(0)

    assert ["task" in str(error) for error in raised] == [True]
