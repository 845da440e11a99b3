"""Any order of batches that overlap, of faults, deaths and waits: each key has one document at most.

Hypothesis makes up the order, as in `test_writes_interleaved`; keys are drawn too, and a batch can stop halfway.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from gateway.writes import Item, Moments, undisturbed
from openapi.common.types import Code
from tests.fakes.facts import Fact, Facts, NewFact
from tests.fakes.vendor import Fault
from tests.faults.interleaving import CALLS_S, FAULTS, LEASE_S, MOMENTS, ORDERS, SETTLE_S, Died, Rounds, dying_at
from tests.faults.test_writes import LIES

Answers = dict[str, Fact | Refused]
KEYS = [f"f_{n}" for n in range(6)]
BATCHES = st.lists(st.sampled_from(KEYS), min_size=1, max_size=5, unique=True)


class Interleaved(Rounds[Facts]):
    """A database, a ledger, and any number of processes whose batches overlap."""

    def __init__(self) -> None:
        super().__init__(lambda clock: Facts(SETTLE_S, clock))

    @rule(
        keys=BATCHES,
        corrected=st.booleans(),
        fault=FAULTS,
        look_fault=st.none() | st.just(Fault.unavailable),
        call_s=CALLS_S,
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
        assume(fault is not Fault.refused_after or not self.vendor.lag_s)
        self.looks_fail, self.call_s = look_fault is not None, call_s
        self.vendor.refuses, self.vendor.stops_after, self.vendor.forgets = refuses, stops_after, forgets
        self.vendor.plan("find_facts", None, look_fault)  # The first look goes well, or nothing would be sent.
        self.run(self.round(keys, fault, undisturbed, corrected=corrected))
        self.make_up()

    def make_up(self) -> None:
        """Let everything go well from now on."""
        super().make_up()
        self.vendor.refuses, self.vendor.stops_after, self.vendor.forgets = set(), None, set()

    @rule(fault=FAULTS, batches=st.lists(BATCHES, min_size=2, max_size=4))
    def carry_out_at_once(self, fault: Fault | None, batches: list[list[str]]) -> None:
        """Carry out some rounds at the same time."""
        assume(fault is not Fault.refused_after or not self.vendor.lag_s)

        async def together() -> None:
            await asyncio.gather(*(self.round(keys, fault, undisturbed) for keys in batches))

        self.run(together())
        self.make_up()

    @rule(keys=BATCHES, moment=MOMENTS, stops_after=st.none() | st.integers(0, 3))
    def die_at(self, keys: list[str], moment: str, stops_after: int | None) -> None:
        """Let a process die in a round."""
        self.vendor.stops_after = stops_after
        self.run(self.round(keys, None, dying_at(moment)))
        self.make_up()

    @rule(keys=BATCHES)
    def be_refused_by_the_fence(self, keys: list[str]) -> None:
        """Carry out a round whose fence says no."""
        self.run(self.round(keys, None, undisturbed, fenced=True))

    @rule(keys=BATCHES, corrected=st.booleans(), moment=MOMENTS)
    def hold(self, keys: list[str], *, corrected: bool, moment: str) -> None:
        """Begin a round that stands still at a moment."""
        self.hold_at(moment, lambda held: self.round(keys, None, held, corrected=corrected))

    @invariant()
    def there_are_never_two(self) -> None:
        """Count the documents in the ledger itself."""
        assert len(self.vendor.keys) == len(set(self.vendor.keys))

    def end(self) -> None:
        """Ask as the problems say, and find each document."""
        there: set[str] = set()
        for corrected in (False, True, False):
            self.clock.forward(LEASE_S + SETTLE_S)
            answers = self.run(self.round(KEYS, None, undisturbed, corrected=corrected))
            assert isinstance(answers, dict)
            there |= {key for key, answer in answers.items() if isinstance(answer, Fact)}
        assert sorted(there) == sorted(self.vendor.keys) == sorted(KEYS)

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
        author = self.begun("post_facts", fault)
        net = "2.00" if corrected else "1.00"

        async def look(asked: Sequence[str]) -> Mapping[str, Fact]:
            found = await self.vendor.find_facts(asked)
            self.clock.forward(self.call_s)  # What became visible meanwhile was not seen.
            return found

        async def act(new: Sequence[NewFact]) -> Mapping[str, Fact | Refused]:
            self.clock.forward(self.call_s)
            return await self.vendor.post_facts(new)

        async def fence() -> None:
            if fenced:
                raise Refused(Code.lock_held, "Wait.")

        items = [Item(key=key, payload=NewFact(business_key=key, net=net)) for key in keys]
        asked: dict[str, Any] = {"items": items, "look": look, "act": act, "fence": fence}
        try:
            answer: Answers | ApiError = (
                await self.writes(moments).bound(self.vendor).many(operation="post_facts", **asked)
            )
        except Died:
            return None
        except ApiError as error:
            answer = error
        self.check(author, fault, answer)
        return answer

    def check(self, author: str, fault: Fault | None, answer: Answers | ApiError) -> None:
        """Compare the answer with the ledger."""
        if isinstance(answer, dict):
            assert all(isinstance(one, Refused) or one in list(self.vendor.book) for one in answer.values())
        elif isinstance(answer, Refused | Unavailable):
            # A wrong "no" that no look can find out, because the index is slow or the look fails, is believed; so is
            # one about a batch of which nothing was taken.
            assert author not in self.vendor.authors or (
                fault in LIES and (self.vendor.lag_s or self.looks_fail or self.nothing_taken())
            )
        else:
            assert isinstance(answer, Uncertain)

    def nothing_taken(self) -> bool:
        """Tell whether the last batch had no document made."""
        return not set(self.vendor.batches[-1]) & set(self.vendor.keys)


@pytest.mark.campaign
class TestInterleaved(Interleaved.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """Runs the machine."""

    settings = ORDERS
