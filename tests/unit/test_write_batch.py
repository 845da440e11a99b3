"""A batch in the write guard, case by case: what is sent, what is written down, what is told of each item."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import event

from gateway.agreement import Difference, agreeing
from gateway.errors import ApiError, Overdue, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.store.database import Store
from gateway.writes import Item, Moments, Writes, WriteSettings, undisturbed
from openapi.common.types import Code, Outcome
from tests.fakes.clock import Clock
from tests.fakes.facts import Fact, Facts, NewFact
from tests.fakes.vendor import Fault
from tests.stores import guard_store

LEASE_S, SETTLE_S, DEADLINE_S = 30.0, 10.0, 600.0
KEYS = ("f_a", "f_b", "f_c")

Answers = dict[str, Fact | Refused]


class Died(BaseException):
    """The process is gone: nothing after it runs, the leases stay."""


class Stage:
    """A guard, a ledger, and the clock that both look at."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.facts = Facts(SETTLE_S, clock)
        self.fence_says: ApiError | None = None
        self.fences = 0

    def writes(self, moments: Moments = undisturbed, lease_s: float = LEASE_S) -> Writes:
        """Return a guard; each is a process of its own."""
        return Writes(self.store, WriteSettings(lease_s=lease_s, deadline_s=DEADLINE_S), moments)

    async def post(
        self, keys: Sequence[str] = KEYS, *, net: str = "1.00", writes: Writes | None = None, makes: bool = True
    ) -> Answers:
        """Carry out one round."""
        return await (
            (writes or self.writes())
            .bound(self.facts)
            .many(
                operation="post_facts",
                items=[Item(key=key, payload=NewFact(business_key=key, net=net)) for key in keys],
                look=self.facts.find_facts,
                act=self.facts.post_facts,
                fence=self.fence,
                agree=differences,
                makes=makes,
            )
        )

    async def fence(self) -> None:
        """Count how often it was asked, and say what it is told to."""
        self.fences += 1
        if self.fence_says is not None:
            raise self.fence_says

    async def outcomes(self, keys: Sequence[str] = KEYS) -> list[Outcome | None]:
        """Return what the guard has written down of each key."""
        intents = [await self.writes().intent("books", "post_facts", key) for key in keys]
        return [intent.outcome if intent else None for intent in intents]


def differences(new: NewFact, found: Fact) -> list[Difference]:
    """Compare what was wanted with what was found."""
    return agreeing(new, "net")(found)


def told(answers: Answers) -> dict[str, Code | None]:
    """Return the code of each item's refusal, None of one that is there."""
    return {key: answer.code if isinstance(answer, Refused) else None for key, answer in answers.items()}


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    clock = Clock()
    async with guard_store(database_url, clock) as store:
        yield Stage(store, clock)


async def test_batch_is_made_once_however_often_it_is_asked_for(stage: Stage) -> None:
    first, again = await stage.post(), await stage.post()

    assert [*first] == list(KEYS)
    assert again == first
    assert stage.facts.keys == list(KEYS)
    assert (stage.facts.batches, stage.fences) == ([list(KEYS)], 1)
    assert await stage.outcomes() == [Outcome.applied] * 3


async def test_batch_with_nothing_in_it_asks_nobody(stage: Stage) -> None:
    assert await stage.post([]) == {}
    assert not stage.facts.calls


async def test_batch_with_a_key_twice_is_a_mistake(stage: Stage) -> None:
    with pytest.raises(ValueError, match="each key once"):
        await stage.post(["f_a", "f_a"])


async def test_what_is_there_already_is_adopted_and_the_rest_is_sent(stage: Stage) -> None:
    stage.facts.make(NewFact(business_key="f_b"))

    answers = await stage.post()

    assert told(answers) == dict.fromkeys(KEYS)
    assert stage.facts.batches == [["f_a", "f_c"]]
    assert await stage.outcomes() == [Outcome.applied] * 3


async def test_item_that_is_there_and_differs_is_refused_alone(stage: Stage) -> None:
    stage.facts.make(NewFact(business_key="f_b", net="2.00"))

    answers = await stage.post()

    assert told(answers) == {"f_a": None, "f_b": Code.upstream_conflict_stale, "f_c": None}
    assert sorted(stage.facts.keys) == list(KEYS)


async def test_item_whose_key_was_sent_with_another_payload_is_refused_alone(stage: Stage) -> None:
    await stage.post(["f_b"], net="2.00")

    answers = await stage.post()

    assert told(answers) == {"f_a": None, "f_b": Code.process_payload_conflict, "f_c": None}
    assert sorted(stage.facts.keys) == list(KEYS)
    assert told(await stage.post(["f_b"], net="2.00")) == {"f_b": None}


async def test_item_that_was_made_and_is_gone_is_refused_alone(stage: Stage) -> None:
    await stage.post(["f_b"])
    stage.clock.forward(SETTLE_S)
    stage.facts.lag_s = 10 * SETTLE_S

    answers = await stage.post()

    assert told(answers) == {"f_a": None, "f_b": Code.upstream_conflict_stale, "f_c": None}


async def test_item_that_the_vendor_refuses_may_come_again_corrected(stage: Stage) -> None:
    stage.facts.refuses = {"f_b"}
    refused = await stage.post()
    stage.facts.refuses = set()

    corrected = await stage.post(["f_b"], net="2.00")

    assert told(refused) == {"f_a": None, "f_b": Code.dimension_invalid_combination, "f_c": None}
    assert told(corrected) == {"f_b": None}
    assert sorted(stage.facts.keys) == list(KEYS)


@pytest.mark.parametrize("fault", [Fault.lost_before, Fault.lost_after, Fault.misnamed_before, Fault.misnamed_after])
async def test_lost_batch_is_looked_for_and_sent_again_only_where_nothing_is_there(stage: Stage, fault: Fault) -> None:
    stage.facts.plan("post_facts", fault)
    with pytest.raises(Uncertain):
        await stage.post()
    doubtful = await stage.outcomes()
    stage.clock.forward(SETTLE_S)

    answers = await stage.post()

    assert doubtful == [Outcome.uncertain] * 3
    assert told(answers) == dict.fromkeys(KEYS)
    assert stage.facts.keys == list(KEYS)
    assert stage.fences == (2 if fault in {Fault.lost_before, Fault.misnamed_before} else 1)


async def test_batch_that_stopped_is_not_cut_anew_before_it_has_settled(stage: Stage) -> None:
    stage.facts.stops_after = 1
    with pytest.raises(Uncertain):
        await stage.post()
    with pytest.raises(Uncertain) as uncertain:
        await stage.post()
    with pytest.raises(Uncertain):
        await stage.post(["f_c", "f_d"])  # Cut otherwise, it is kept back all the same.
    stage.clock.forward(SETTLE_S)

    answers = await stage.post()

    assert uncertain.value.retry_after_s == SETTLE_S
    assert told(answers) == dict.fromkeys(KEYS)
    assert stage.facts.batches == [list(KEYS), ["f_b", "f_c"]]
    assert stage.facts.keys == list(KEYS)


async def test_batch_that_stays_unknown_becomes_overdue(stage: Stage) -> None:
    stage.facts.plan("post_facts", Fault.lost_before, Fault.lost_before)
    with pytest.raises(Uncertain):
        await stage.post()
    stage.clock.forward(DEADLINE_S)

    with pytest.raises(Overdue):
        await stage.post()


@pytest.mark.parametrize(("fault", "family"), [(Fault.refused, Refused), (Fault.unavailable, Unavailable)])
async def test_whole_batch_that_had_no_effect_says_so_and_leaves_nothing_in_doubt(
    stage: Stage, fault: Fault, family: type[ApiError]
) -> None:
    stage.facts.plan("post_facts", fault)
    with pytest.raises(family):
        await stage.post()
    outcomes = await stage.outcomes()
    stage.clock.forward(SETTLE_S)

    assert outcomes == [Outcome.none] * 3
    assert told(await stage.post()) == dict.fromkeys(KEYS)


async def test_batch_whose_last_send_is_said_not_to_have_arrived_waits_for_its_settling(stage: Stage) -> None:
    stage.facts.plan("post_facts", Fault.unavailable)
    with pytest.raises(Unavailable):
        await stage.post()

    with pytest.raises(WriteInProgress) as waits:
        await stage.post()

    assert waits.value.retry_after_s == SETTLE_S


async def test_batch_that_was_made_and_is_not_shown_yet_is_not_made_again(stage: Stage) -> None:
    stage.facts.lag_s = SETTLE_S
    await stage.post()

    with pytest.raises(Uncertain):
        await stage.post()

    assert stage.facts.keys == list(KEYS)


async def test_wrong_no_of_a_whole_batch_is_found_out(stage: Stage) -> None:
    stage.facts.plan("post_facts", Fault.denied_after)

    answers = await stage.post()

    assert told(answers) == dict.fromkeys(KEYS)
    assert stage.facts.keys == list(KEYS)


async def test_wrong_no_about_some_leaves_the_others_unknown(stage: Stage) -> None:
    act = stage.facts.post_facts

    async def deny(new: Sequence[NewFact]) -> dict[str, Fact | Refused]:
        await act(new[:1])
        raise Unavailable(Code.upstream_unavailable, "Nothing was sent.")

    stage.facts.post_facts = deny  # type: ignore[method-assign]  # this test's own port
    with pytest.raises(Uncertain):
        await stage.post()

    assert await stage.outcomes() == [Outcome.applied, Outcome.uncertain, Outcome.uncertain]


async def test_item_of_which_an_answer_says_nothing_is_unknown(stage: Stage) -> None:
    stage.facts.forgets, stage.facts.refuses = {"f_b"}, {"f_c"}
    with pytest.raises(Uncertain):
        await stage.post()
    outcomes = await stage.outcomes()

    answers = await stage.post()

    assert outcomes == [Outcome.applied, Outcome.uncertain, Outcome.none]
    assert told(answers) == {"f_a": None, "f_b": None, "f_c": Code.dimension_invalid_combination}
    assert stage.facts.keys == ["f_a", "f_b"]


async def test_batch_of_which_another_has_a_key_leases_nothing(stage: Stage) -> None:
    async def die(name: str, _operation: str, _key: str) -> None:
        if name == "between_intent_and_act":
            raise Died

    with pytest.raises(Died):
        await stage.post(["f_c"], writes=stage.writes(die))
    with pytest.raises(WriteInProgress):
        await stage.post()

    assert told(await stage.post(["f_a", "f_b"])) == {"f_a": None, "f_b": None}


@pytest.mark.parametrize(("moment", "sends"), [("between_intent_and_act", 1), ("between_act_and_record", 1)])
async def test_batch_whose_process_died_is_looked_for(stage: Stage, moment: str, sends: int) -> None:
    async def die(name: str, _operation: str, key: str) -> None:
        if name == moment:
            assert key == "f_a"
            raise Died

    with pytest.raises(Died):
        await stage.post(writes=stage.writes(die))
    outcomes = await stage.outcomes()
    stage.clock.forward(LEASE_S + SETTLE_S)

    answers = await stage.post()

    assert outcomes == [Outcome.uncertain] * 3
    assert told(answers) == dict.fromkeys(KEYS)
    assert len(stage.facts.batches) == sends
    assert stage.facts.keys == list(KEYS)


async def test_batch_of_which_a_key_was_lost_before_the_send_sends_nothing(stage: Stage) -> None:
    async def fall_asleep(name: str, _operation: str, _key: str) -> None:
        if name == "between_intent_and_act":
            stage.clock.forward(LEASE_S + 2 * SETTLE_S)
            await stage.post(["f_b"])

    with pytest.raises(WriteInProgress):
        await stage.post(writes=stage.writes(fall_asleep))

    assert stage.facts.batches == [["f_b"]]
    assert await stage.outcomes() == [Outcome.none, Outcome.applied, Outcome.none]


async def test_batch_of_which_a_key_was_lost_in_the_look_notes_nothing(stage: Stage) -> None:
    look = stage.facts.find_facts

    async def fall_asleep(keys: Sequence[str]) -> dict[str, Fact]:
        found = dict(await look(keys))
        if len(keys) > 1:
            stage.clock.forward(LEASE_S)
            await stage.post(["f_b"])
        return found

    stage.facts.find_facts = fall_asleep  # type: ignore[method-assign]  # this test's own port
    with pytest.raises(WriteInProgress):
        await stage.post()

    assert stage.facts.batches == [["f_b"]]
    assert await stage.outcomes() == [Outcome.none, Outcome.applied, Outcome.none]


async def test_cancelled_batch_is_written_down_and_gives_its_leases_back(stage: Stage) -> None:
    stage.facts.plan("post_facts", Fault.hangs_after)
    task = asyncio.create_task(stage.post())
    await stage.facts.hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    outcomes = await stage.outcomes()

    answers = await stage.post()

    assert outcomes == [Outcome.uncertain] * 3
    assert told(answers) == dict.fromkeys(KEYS)
    assert stage.facts.keys == list(KEYS)


async def test_fence_that_refuses_after_a_batch_that_stopped_leaves_each_key_as_it_is(stage: Stage) -> None:
    stage.facts.stops_after = 1
    with pytest.raises(Uncertain):
        await stage.post()
    stage.clock.forward(SETTLE_S)
    stage.fence_says = Refused(Code.billing_hold_active, "Wait.")

    with pytest.raises(Refused):
        await stage.post([*KEYS, "f_d"])

    assert await stage.outcomes([*KEYS, "f_d"]) == [Outcome.applied, *[Outcome.none] * 3]


async def test_states_of_objects_are_changed_as_often_as_asked(stage: Stage) -> None:
    shown = dict[str, str]()

    async def show(net: str) -> Answers:
        def entry(key: str) -> Fact:
            return Fact(id=key, business_key=key, net=shown[key])

        async def look(keys: Sequence[str]) -> dict[str, Fact]:
            return {key: entry(key) for key in keys if shown.get(key) == net}

        async def act(new: Sequence[NewFact]) -> dict[str, Fact | Refused]:
            stage.facts.batches.append([one.business_key for one in new])
            shown.update({one.business_key: one.net for one in new})
            return {one.business_key: entry(one.business_key) for one in new}

        items = [Item(key=key, payload=NewFact(business_key=key, net=net)) for key in KEYS]
        guard = stage.writes().bound(stage.facts)
        return await guard.many(operation="show_billing", items=items, look=look, act=act, makes=False)

    for net in ("1.00", "2.00", "2.00", "1.00"):
        assert told(await show(net)) == dict.fromkeys(KEYS)

    assert len(stage.facts.batches) == 3
    assert shown == dict.fromkeys(KEYS, "1.00")


async def test_batches_that_overlap_never_wait_for_each_other(stage: Stage) -> None:
    keys = [f"f_{n}" for n in range(12)] + [f"F_{n}" for n in range(12)]
    shuffled = random.Random(4711)  # noqa: S311 - an order

    async def on_until_done() -> None:
        mine = shuffled.sample(keys, 12)
        while True:
            try:
                await stage.post(mine)
            except (WriteInProgress, Uncertain):
                stage.clock.forward(0.2)
                await asyncio.sleep(0)
            else:
                return

    await asyncio.gather(*(on_until_done() for _ in range(8)))
    await stage.post(keys)

    assert sorted(stage.facts.keys) == sorted(keys)


async def test_large_batch_takes_no_more_statements_than_a_small_one(stage: Stage) -> None:
    statements: list[str] = []
    engine = stage.store.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *asked: statements.append(asked[2]))
    counts = []
    for size in (1, 200):
        keys = [f"f_{size}_{n}" for n in range(size)]
        stage.facts.refuses = set(keys[100::2])
        await stage.post(keys)
        counts.append(len(statements))
        statements.clear()

    assert counts[0] == 4  # take, note, renew, record
    assert counts[1] == 5  # What was refused is recorded apart.
