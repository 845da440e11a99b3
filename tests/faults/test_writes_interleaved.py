"""Any order of rounds, faults, deaths and waits: never two documents, never a "no" that lies.

Hypothesis makes up the order. Rounds are held at the guard's moments and let go later, others run meanwhile, and the
clock moves between any two.
"""

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from gateway.agreement import agreeing
from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from gateway.store.database import Store
from gateway.writes import Moments, Writes, WriteSettings, undisturbed
from openapi.common.types import Code
from openapi.system.erp.v1 import Customer, NewCustomer
from tests.fakes.clock import Clock
from tests.fakes.erp import CAPABILITIES, FakeErp
from tests.fakes.vendor import AUTHOR, Fault
from tests.faults.test_writes import ALDER, LIES
from tests.stores import guard_store

T = TypeVar("T")
FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
LEASE_S, SETTLE_S, DEADLINE_S = 4.0, 10.0, 120.0  # A lease that is shorter than the window hides nothing.
MOMENTS = ("between_intent_and_act", "between_act_and_record")
QUICK = [fault for fault in Fault if fault not in {Fault.hangs_before, Fault.hangs_after}]  # Those take real time.


class Died(BaseException):
    """The process is gone."""


class Held:
    """A round that stands still at a moment."""

    def __init__(self, author: str, moment: str) -> None:
        self.author, self.moment = author, moment
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, name: str, _operation: str, _key: str) -> None:
        """Stand still at the moment."""
        if name == self.moment:
            self.reached.set()
            await self.go.wait()


class Interleaved(RuleBasedStateMachine):
    """A database, an ERP, and any number of processes that want the same document."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.erp = FakeErp(replace(CAPABILITIES, settle_s=SETTLE_S), self.clock)
        self.stack = AsyncExitStack()
        self.directory = tempfile.TemporaryDirectory(prefix="tiebeam-interleaved-")
        url = f"sqlite:///{Path(self.directory.name) / 'guard.sqlite'}"
        self.store: Store = self.run(self.stack.enter_async_context(guard_store(url, self.clock)))
        self.held: list[tuple[Held, asyncio.Task[Any]]] = []
        self.rounds, self.documents, self.looks_fail, self.call_s = 0, 0, False, 0.0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns."""
        return self.loop.run_until_complete(work)

    @initialize(lag_s=st.sampled_from([0.0, SETTLE_S / 2, SETTLE_S]))
    def choose_the_index(self, lag_s: float) -> None:
        """Decide how slow the ERP's index is."""
        self.erp.lag_s = lag_s

    @rule(
        corrected=st.booleans(),
        fault=st.none() | st.sampled_from(QUICK),
        look_fault=st.none() | st.just(Fault.unavailable),
        call_s=st.sampled_from([0.0, 1.0, 2.5]),
    )
    def carry_out(self, *, corrected: bool, fault: Fault | None, look_fault: Fault | None, call_s: float) -> None:
        """Carry out one round; something may go wrong with each of its calls."""
        assume(fault is not Fault.refused_after or not self.erp.lag_s)
        self.looks_fail, self.call_s = look_fault is not None, call_s
        self.erp.plan("find_customer", None, look_fault)  # The first look goes well, or nothing would be sent.
        self.run(self.round(self.wanted(corrected=corrected), fault, undisturbed))
        self.erp.forget_plans()
        self.looks_fail, self.call_s = False, 0.0

    @rule(fault=st.none() | st.sampled_from(QUICK), count=st.integers(2, 4))
    def carry_out_at_once(self, fault: Fault | None, count: int) -> None:
        """Carry out some rounds at the same time."""
        assume(fault is not Fault.refused_after or not self.erp.lag_s)

        async def together() -> None:
            await asyncio.gather(*(self.round(self.wanted(), fault, undisturbed) for _ in range(count)))

        self.run(together())
        self.erp.forget_plans()

    @rule(
        corrected=st.booleans(),
        moment=st.sampled_from(MOMENTS),
        call_s=st.sampled_from([0.0, 1.0, 2.5]),
    )
    def die_at(self, *, corrected: bool, moment: str, call_s: float) -> None:
        """Let a process die in a round."""
        self.call_s = call_s

        async def die(name: str, _operation: str, _key: str) -> None:
            if name == moment:
                raise Died

        self.run(self.round(self.wanted(corrected=corrected), None, die))
        self.call_s = 0.0

    @rule()
    def be_refused_by_the_fence(self) -> None:
        """Carry out a round whose fence says no."""
        self.run(self.round(self.wanted(), None, undisturbed, fenced=True))

    @rule(corrected=st.booleans(), moment=st.sampled_from(MOMENTS))
    def hold(self, *, corrected: bool, moment: str) -> None:
        """Start a round that stands still at a moment; two at most do."""
        if len(self.held) == 2:  # No precondition: what is drawn may not depend on who was first.
            return
        held = Held(f"w{self.rounds}", moment)

        async def start() -> None:
            task = asyncio.create_task(self.round(self.wanted(corrected=corrected), None, held))
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

    @rule()
    def want_another(self) -> None:
        """Turn to another document; nothing is at stake any more once one is there."""
        self.documents += 1

    @rule(seconds=st.sampled_from([1.0, SETTLE_S / 2, SETTLE_S - 1, SETTLE_S, LEASE_S, LEASE_S + SETTLE_S, DEADLINE_S]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.forward(seconds)

    @invariant()
    def there_are_never_two(self) -> None:
        """Count the documents in the ERP's own books."""
        made = [customer.business_key for customer in self.erp.customers]
        assert len(made) == len(set(made))

    def teardown(self) -> None:
        """Let everything end, ask as the problems say, and find one document."""
        try:
            while self.held:
                self.let_go(cancelled=False)
            for number in range(self.documents + 1):
                self.documents = number
                self.end_well()
            self.there_are_never_two()
        finally:
            self.run(self.stack.aclose())
            self.loop.close()
            self.directory.cleanup()

    def end_well(self) -> None:
        """Ask for the present document until it is there."""
        answers = []
        for corrected in (False, True, False):
            self.clock.forward(LEASE_S + SETTLE_S)
            answers.append(self.run(self.round(self.wanted(corrected=corrected), None, undisturbed)))
        assert any(isinstance(answer, Customer) for answer in answers)

    def wanted(self, *, corrected: bool = False) -> NewCustomer:
        """Return the present document, or a corrected one under its key."""
        new = replace(ALDER, business_key=f"cus_{self.documents}")
        return replace(new, payment_terms="net_30") if corrected else new

    async def round(
        self, new: NewCustomer, fault: Fault | None, moments: Moments, *, fenced: bool = False
    ) -> Customer | ApiError | None:
        """Carry out a round, and check what it is told."""
        author = f"w{self.rounds}"
        self.rounds += 1
        AUTHOR.set(author)
        self.erp.plan("create_customer", fault, author=author)
        writes = Writes(self.store, WriteSettings(lease_s=LEASE_S, deadline_s=DEADLINE_S), moments)

        async def look() -> Customer | None:
            found = await self.erp.find_customer(new.business_key)
            self.clock.forward(self.call_s)  # What became visible meanwhile was not seen.
            return found

        async def act() -> Customer:
            self.clock.forward(self.call_s)
            return await self.erp.create_customer(new)

        async def fence() -> None:
            if fenced:
                raise Refused(Code.lock_held, "Wait.")

        try:
            answer: Customer | ApiError = await writes.bound(self.erp).once(
                operation="create_customer",
                key=new.business_key,
                payload=new,
                look=look,
                act=act,
                fence=fence,
                agree=agreeing(new, "name"),
            )
        except Died:
            return None
        except ApiError as error:
            answer = error
        self.check(author, fault, answer)
        return answer

    def check(self, author: str, fault: Fault | None, answer: Customer | ApiError) -> None:
        """Compare the answer with the ERP's books."""
        if isinstance(answer, Customer):
            assert answer in list(self.erp.customers)
        elif isinstance(answer, Refused | Unavailable):
            # A wrong "no" that no look can find out, because the index is slow or the look fails, is believed.
            believed = fault in LIES and (self.erp.lag_s or self.looks_fail)
            assert believed or author not in self.erp.authors
        else:
            assert isinstance(answer, Uncertain)


async def ended(task: asyncio.Task[Any]) -> None:
    """Return when the task has ended; a cancelled one has, too."""
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


@pytest.mark.campaign
class TestInterleaved(Interleaved.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """Runs the machine."""

    settings = settings(
        max_examples=300 if FULL else 20,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
