"""What the made-up orders of writes share: a database, a vendor, a clock, and rounds that are held and let go later."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gateway.store.database import Store
from gateway.writes import Moments, Writes, WriteSettings
from tests.fakes.clock import Clock
from tests.fakes.vendor import AUTHOR, Fault, Vendor
from tests.stores import guard_store

T = TypeVar("T")
V = TypeVar("V", bound=Vendor)
FULL: Final = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
LEASE_S, SETTLE_S, DEADLINE_S = 4.0, 10.0, 120.0  # A lease that is shorter than the window hides nothing.
MOMENTS: Final = st.sampled_from(["between_intent_and_act", "between_act_and_record"])
FAULTS: Final = st.none() | st.sampled_from(
    [fault for fault in Fault if fault not in {Fault.hangs_before, Fault.hangs_after}]  # Those take real time.
)
CALLS_S: Final = st.sampled_from([0.0, 1.0, 2.5])
WAITS_S: Final = st.sampled_from([1.0, SETTLE_S / 2, SETTLE_S - 1, SETTLE_S, LEASE_S, LEASE_S + SETTLE_S, DEADLINE_S])
ORDERS: Final = settings(
    max_examples=300 if FULL else 20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Died(BaseException):
    """The process is gone."""


def dying_at(moment: str) -> Moments:
    """Return moments at one of which the process dies."""

    async def die(name: str, _operation: str, _key: str) -> None:
        if name == moment:
            raise Died

    return die


class Held:
    """A round that stands still at a moment."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, name: str, _operation: str, _key: str) -> None:
        """Stand still at the moment."""
        if name == self.moment:
            self.reached.set()
            await self.go.wait()


class Rounds(RuleBasedStateMachine, Generic[V]):
    """A database, a vendor, and any number of processes that write there."""

    def __init__(self, vendor: Callable[[Callable[[], datetime]], V]) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.vendor = vendor(self.clock)
        self.stack = AsyncExitStack()
        self.directory = tempfile.TemporaryDirectory(prefix="tiebeam-interleaved-")
        url = f"sqlite:///{Path(self.directory.name) / 'guard.sqlite'}"
        self.store: Store = self.run(self.stack.enter_async_context(guard_store(url, self.clock)))
        self.held: list[tuple[Held, asyncio.Task[Any]]] = []
        self.rounds, self.looks_fail, self.call_s = 0, False, 0.0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns."""
        return self.loop.run_until_complete(work)

    @initialize(lag_s=st.sampled_from([0.0, SETTLE_S / 2, SETTLE_S]))
    def choose_the_index(self, lag_s: float) -> None:
        """Decide how slow the vendor's index is."""
        self.vendor.lag_s = lag_s

    @rule(cancelled=st.booleans())
    def let_go(self, *, cancelled: bool) -> None:
        """Let a round go on that stood still, or cancel it."""
        if not self.held:
            return
        held, task = self.held.pop(0)
        if cancelled:
            task.cancel()
        held.go.set()
        self.run(ended(task))

    @rule(seconds=WAITS_S)
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.forward(seconds)

    def hold_at(self, moment: str, begin: Callable[[Moments], Coroutine[Any, Any, Any]]) -> None:
        """Begin a round that stands still at a moment; two at most do."""
        if len(self.held) == 2:  # No precondition: what is drawn may not depend on who was first.
            return
        held = Held(moment)

        async def start() -> None:
            task = asyncio.create_task(begin(held))
            reached = asyncio.create_task(held.reached.wait())
            await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            if not task.done():
                self.held.append((held, task))

        self.run(start())

    def begun(self, operation: str, fault: Fault | None) -> str:
        """Return the author of the round that begins now, whose next call of the operation goes wrong."""
        author = f"w{self.rounds}"
        self.rounds += 1
        AUTHOR.set(author)
        self.vendor.plan(operation, fault, author=author)
        return author

    def writes(self, moments: Moments) -> Writes:
        """Return the guard of a process."""
        return Writes(self.store, WriteSettings(lease_s=LEASE_S, deadline_s=DEADLINE_S), moments)

    def make_up(self) -> None:
        """Let everything go well from now on."""
        self.vendor.forget_plans()
        self.looks_fail, self.call_s = False, 0.0

    def end(self) -> None:
        """Raise what is wrong once everything has ended."""

    def teardown(self) -> None:
        """Let everything end, and find what has to be there by then."""
        try:
            while self.held:
                self.let_go(cancelled=False)
            self.end()
        finally:
            self.run(self.stack.aclose())
            self.loop.close()
            self.directory.cleanup()


async def ended(task: asyncio.Task[Any]) -> None:
    """Return when the task has ended; a cancelled one has, too."""
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
