"""Any order of rounds, faults, deaths and waits: never two documents, never a "no" that lies.

Hypothesis makes up the order. Rounds are held at the guard's moments and let go later, others run meanwhile, and the
clock moves between any two.
"""

import asyncio

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from msgspec.structs import replace

from gateway.agreement import agreeing
from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from gateway.writes import Moments, undisturbed
from openapi.common.types import Code
from openapi.system.erp.v1 import Customer, NewCustomer
from tests.fakes.erp import CAPABILITIES, FakeErp
from tests.fakes.vendor import Fault
from tests.faults.interleaving import CALLS_S, FAULTS, LEASE_S, MOMENTS, ORDERS, SETTLE_S, Died, Rounds, dying_at
from tests.faults.test_writes import ALDER, LIES


class Interleaved(Rounds[FakeErp]):
    """A database, an ERP, and any number of processes that want the same document."""

    def __init__(self) -> None:
        super().__init__(lambda clock: FakeErp(replace(CAPABILITIES, settle_s=SETTLE_S), clock))
        self.documents = 0

    @rule(corrected=st.booleans(), fault=FAULTS, look_fault=st.none() | st.just(Fault.unavailable), call_s=CALLS_S)
    def carry_out(self, *, corrected: bool, fault: Fault | None, look_fault: Fault | None, call_s: float) -> None:
        """Carry out one round; something may go wrong with each of its calls."""
        assume(fault is not Fault.refused_after or not self.vendor.lag_s)
        self.looks_fail, self.call_s = look_fault is not None, call_s
        self.vendor.plan("find_customer", None, look_fault)  # The first look goes well, or nothing would be sent.
        self.run(self.round(self.wanted(corrected=corrected), fault, undisturbed))
        self.make_up()

    @rule(fault=FAULTS, count=st.integers(2, 4))
    def carry_out_at_once(self, fault: Fault | None, count: int) -> None:
        """Carry out some rounds at the same time."""
        assume(fault is not Fault.refused_after or not self.vendor.lag_s)

        async def together() -> None:
            await asyncio.gather(*(self.round(self.wanted(), fault, undisturbed) for _ in range(count)))

        self.run(together())
        self.make_up()

    @rule(corrected=st.booleans(), moment=MOMENTS, call_s=CALLS_S)
    def die_at(self, *, corrected: bool, moment: str, call_s: float) -> None:
        """Let a process die in a round."""
        self.call_s = call_s
        self.run(self.round(self.wanted(corrected=corrected), None, dying_at(moment)))
        self.make_up()

    @rule()
    def be_refused_by_the_fence(self) -> None:
        """Carry out a round whose fence says no."""
        self.run(self.round(self.wanted(), None, undisturbed, fenced=True))

    @rule(corrected=st.booleans(), moment=MOMENTS)
    def hold(self, *, corrected: bool, moment: str) -> None:
        """Begin a round that stands still at a moment."""
        self.hold_at(moment, lambda held: self.round(self.wanted(corrected=corrected), None, held))

    @rule()
    def want_another(self) -> None:
        """Turn to another document; nothing is at stake any more once one is there."""
        self.documents += 1

    @invariant()
    def there_are_never_two(self) -> None:
        """Count the documents in the ERP's own books."""
        made = [customer.business_key for customer in self.vendor.customers]
        assert len(made) == len(set(made))

    def end(self) -> None:
        """Ask as the problems say, and find one document each."""
        for number in range(self.documents + 1):
            self.documents = number
            self.end_well()
        self.there_are_never_two()

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
        author = self.begun("create_customer", fault)

        async def look() -> Customer | None:
            found = await self.vendor.find_customer(new.business_key)
            self.clock.forward(self.call_s)  # What became visible meanwhile was not seen.
            return found

        async def act() -> Customer:
            self.clock.forward(self.call_s)
            return await self.vendor.create_customer(new)

        async def fence() -> None:
            if fenced:
                raise Refused(Code.lock_held, "Wait.")

        try:
            answer: Customer | ApiError = (
                await self.writes(moments)
                .bound(self.vendor)
                .once(
                    operation="create_customer",
                    key=new.business_key,
                    payload=new,
                    look=look,
                    act=act,
                    fence=fence,
                    agree=agreeing(new, "name"),
                )
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
            assert answer in list(self.vendor.customers)
        elif isinstance(answer, Refused | Unavailable):
            # A wrong "no" that no look can find out, because the index is slow or the look fails, is believed.
            believed = fault in LIES and (self.vendor.lag_s or self.looks_fail)
            assert believed or author not in self.vendor.authors
        else:
            assert isinstance(answer, Uncertain)


@pytest.mark.campaign
class TestInterleaved(Interleaved.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """Runs the machine."""

    settings = ORDERS
