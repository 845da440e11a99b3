"""Any order of batches that overlap, of faults, deaths and waits: each key has one document at most.

Hypothesis makes up the order, as in `test_writes_interleaved`; keys are drawn too, and a batch can stop halfway.
"""

import asyncio
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from gateway.store.database import Store
from gateway.writes import Item, Moments, Writes, WriteSettings, undisturbed
from openapi.common.types import Code
from tests.fakes.clock import Clock
from tests.fakes.facts import Fact, Facts, NewFact
from tests.fakes.vendor import AUTHOR, Fault
from tests.faults.test_writes import LIES
from tests.faults.test_writes_interleaved import (
    DEADLINE_S,
    FULL,
    LEASE_S,
    MOMENTS,
    QUICK,
    SETTLE_S,
    Died,
    Held,
    ended,
)
from tests.stores import guard_store

T = TypeVar("T")
Answers = dict[str, Fact | Refused]
KEYS = [f"f_{n}" for n in range(6)]
BATCHES = st.lists(st.sampled_from(KEYS), min_size=1, max_size=5, unique=True)
FAULTS = st.none() | st.sampled_from(QUICK)


class Interleaved(RuleBasedStateMachine):
    """A database, a ledger, and any number of processes whose batches overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.facts = Facts(SETTLE_S, self.clock)
        self.stack = AsyncExitStack()
        self.directory = tempfile.TemporaryDirectory(prefix="tiebeam-batches-")
        url = f"sqlite:///{Path(self.directory.name) / 'guard.sqlite'}"
        self.store: Store = self.run(self.stack.enter_async_context(guard_store(url, self.clock)))
        self.held: list[tuple[Held, asyncio.Task[Any]]] = []
        self.rounds, self.looks_fail, self.call_s = 0, False, 0.0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns."""
        return self.loop.run_until_complete(work)

    @initialize(lag_s=st.sampled_from([0.0, SETTLE_S / 2, SETTLE_S]))
    def choose_the_index(self, lag_s: float) -> None:
        """Decide how slow the ledger's index is."""
        self.facts.lag_s = lag_s

    @rule(
        keys=BATCHES,
        corrected=st.booleans(),
        fault=FAULTS,
        look_fault=st.none() | st.just(Fault.unavailable),
        call_s=st.sampled_from([0.0, 1.0, 2.5]),
        refuses=st.sets(st.sampled_from(KEYS), max_size=2),
        stops_after=st.none() | st.integers(0, 3),
        forgets=st.sets(st.sampled_from(KEYS), max_size=1),
    )
    def carry_out(  # noqa: PLR0913 - each is drawn
        self,
        *,
        keys: list[str],
        corrected: bool,
        fault: Fault | None,
        look_fault: Fault | None,
        call_s: float,
        refuses: set[str],
        stops_after: int | None,
        forgets: set[str],
    ) -> None:
        """Carry out one round; something may go wrong with each of its calls, and with each item."""
        assume(fault is not Fault.refused_after or not self.facts.lag_s)
        self.looks_fail, self.call_s = look_fault is not None, call_s
        self.facts.refuses, self.facts.stops_after, self.facts.forgets = refuses, stops_after, forgets
        self.facts.plan("find_facts", None, look_fault)  # The first look goes well, or nothing would be sent.
        self.run(self.round(keys, fault, undisturbed, corrected=corrected))
        self.make_up()

    def make_up(self) -> None:
        """Let everything go well from now on."""
        self.facts.forget_plans()
        self.facts.refuses, self.facts.stops_after, self.facts.forgets = set(), None, set()
        self.looks_fail, self.call_s = False, 0.0

    @rule(fault=FAULTS, batches=st.lists(BATCHES, min_size=2, max_size=4))
    def carry_out_at_once(self, fault: Fault | None, batches: list[list[str]]) -> None:
        """Carry out some rounds at the same time."""
        assume(fault is not Fault.refused_after or not self.facts.lag_s)

        async def together() -> None:
            await asyncio.gather(*(self.round(keys, fault, undisturbed) for keys in batches))

        self.run(together())
        self.make_up()

    @rule(keys=BATCHES, moment=st.sampled_from(MOMENTS), stops_after=st.none() | st.integers(0, 3))
    def die_at(self, keys: list[str], moment: str, stops_after: int | None) -> None:
        """Let a process die in a round."""

        async def die(name: str, _operation: str, _key: str) -> None:
            if name == moment:
                raise Died

        self.facts.stops_after = stops_after
        self.run(self.round(keys, None, die))
        self.make_up()

    @rule(keys=BATCHES)
    def be_refused_by_the_fence(self, keys: list[str]) -> None:
        """Carry out a round whose fence says no."""
        self.run(self.round(keys, None, undisturbed, fenced=True))

    @rule(keys=BATCHES, corrected=st.booleans(), moment=st.sampled_from(MOMENTS))
    def hold(self, keys: list[str], *, corrected: bool, moment: str) -> None:
        """Start a round that stands still at a moment; two at most do."""
        if len(self.held) == 2:  # No precondition: what is drawn may not depend on who was first.
            return
        held = Held(f"w{self.rounds}", moment)

        async def start() -> None:
            task = asyncio.create_task(self.round(keys, None, held, corrected=corrected))
            reached = asyncio.create_task(held.reached.wait())
            await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            if not task.done():
                self.held.append((held, task))

        self.run(start())

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

    @rule(seconds=st.sampled_from([1.0, SETTLE_S / 2, SETTLE_S - 1, SETTLE_S, LEASE_S, LEASE_S + SETTLE_S, DEADLINE_S]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.forward(seconds)

    @invariant()
    def there_are_never_two(self) -> None:
        """Count the documents in the ledger itself."""
        assert len(self.facts.keys) == len(set(self.facts.keys))

    def teardown(self) -> None:
        """Let everything end, ask as the problems say, and find each document."""
        try:
            while self.held:
                self.let_go(cancelled=False)
            there: set[str] = set()
            for corrected in (False, True, False):
                self.clock.forward(LEASE_S + SETTLE_S)
                answers = self.run(self.round(KEYS, None, undisturbed, corrected=corrected))
                assert isinstance(answers, dict)
                there |= {key for key, answer in answers.items() if isinstance(answer, Fact)}
            assert sorted(there) == sorted(self.facts.keys) == sorted(KEYS)
        finally:
            self.run(self.stack.aclose())
            self.loop.close()
            self.directory.cleanup()

    async def round(
        self,
        keys: Sequence[str],
        fault: Fault | None,
        moments: Moments,
        *,
        corrected: bool = False,
        fenced: bool = False,
    ) -> Answers | ApiError | None:
        """Carry out a round, and check what it is told."""
        author = f"w{self.rounds}"
        self.rounds += 1
        AUTHOR.set(author)
        self.facts.plan("post_facts", fault, author=author)
        net = "2.00" if corrected else "1.00"

        async def look(asked: Sequence[str]) -> Mapping[str, Fact]:
            found = await self.facts.find_facts(asked)
            self.clock.forward(self.call_s)  # What became visible meanwhile was not seen.
            return found

        async def act(new: Sequence[NewFact]) -> Mapping[str, Fact | Refused]:
            self.clock.forward(self.call_s)
            return await self.facts.post_facts(new)

        async def fence() -> None:
            if fenced:
                raise Refused(Code.lock_held, "Wait.")

        guard = Writes(self.store, WriteSettings(lease_s=LEASE_S, deadline_s=DEADLINE_S), moments).bound(self.facts)
        items = [Item(key=key, payload=NewFact(business_key=key, net=net)) for key in keys]
        asked: dict[str, Any] = {"items": items, "look": look, "act": act, "fence": fence}
        try:
            answer: Answers | ApiError = await guard.many(operation="post_facts", **asked)
        except Died:
            return None
        except ApiError as error:
            answer = error
        self.check(author, fault, answer)
        return answer

    def check(self, author: str, fault: Fault | None, answer: Answers | ApiError) -> None:
        """Compare the answer with the ledger."""
        if isinstance(answer, dict):
            assert all(isinstance(one, Refused) or one in list(self.facts.book) for one in answer.values())
        elif isinstance(answer, Refused | Unavailable):
            # A wrong "no" that no look can find out, because the index is slow or the look fails, is believed; so is
            # one about a batch of which nothing was taken.
            assert author not in self.facts.authors or (
                fault in LIES and (self.facts.lag_s or self.looks_fail or self.nothing_taken())
            )
        else:
            assert isinstance(answer, Uncertain)

    def nothing_taken(self) -> bool:
        """Tell whether the last batch had no document made."""
        return not set(self.facts.batches[-1]) & set(self.facts.keys)


@pytest.mark.campaign
class TestInterleaved(Interleaved.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """Runs the machine."""

    settings = settings(
        max_examples=300 if FULL else 20,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
