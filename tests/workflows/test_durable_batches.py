"""A batch as a step of a process: what becomes of it and its items when answers get lost or a fence says no."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.durable import Process, Worker, enqueue, resume, submit, submit_many, workflow
from gateway.durable.verbs import item_returned_by
from gateway.errors import Refused, Unavailable, Uncertain
from gateway.telemetry.metrics import RETRIES
from gateway.writes import Item, Writes, WriteSettings
from openapi.common.types import Code, Outcome
from tests.fakes.facts import Fact, Facts, NewFact
from tests.fakes.vendor import Fault
from tests.workflows.stage import Stage
from tests.workflows.toy import QUICK, told

KEYS = ("f_a", "f_b", "f_c")
SOON_S = 0.4
"""When nobody looks any longer what came of a write."""


class Post(Struct, frozen=True, kw_only=True):
    """What a run keeps."""

    keys: list[str]
    net: str = "1.00"
    alone: bool = False


class Posted(Struct, frozen=True, kw_only=True):
    """What came of it."""

    done: dict[str, str]
    refused: dict[str, Code]


class Gate:
    """A fence that says what it is told to, once for each time it is asked."""

    def __init__(self) -> None:
        self.says: list[Refused | None] = []
        self.asked = 0

    async def fence(self) -> None:
        """Let it pass, or not."""
        self.asked += 1
        if self.says and (said := self.says.pop(0)) is not None:
            raise said


@workflow(name="post_facts_toy", refusals="park", completed="active")
async def post_facts(facts: Facts, gate: Gate, order: Post) -> Posted:
    """Post the facts, one alone or all in batches of two; the second batch's step is another."""
    if order.alone:
        return await post_alone(facts, gate, order.keys[0])
    posted = Posted(done={}, refused={})
    for start in range(0, len(order.keys), 2):
        batch = await submit_many(
            "post_facts",
            on=facts,
            items=[
                Item(key=key, payload=NewFact(business_key=key, net=order.net)) for key in order.keys[start : start + 2]
            ],
            look=facts.find_facts,
            act=facts.post_facts,
            fence=gate.fence,
            agree=("net",),
            serial="books/ES01",
            pivot=start == 0,
        )
        posted.done.update({key: fact.id for key, fact in batch.done.items()})
        posted.refused.update({key: refusal.code for key, refusal in batch.refused.items()})
    return posted


async def post_alone(facts: Facts, gate: Gate, key: str) -> Posted:
    """Post one."""
    new = NewFact(business_key=key)

    async def look() -> Fact | None:
        return (await facts.find_facts([key])).get(key)

    async def act() -> Fact:
        made = (await facts.post_facts([new]))[key]
        if isinstance(made, Refused):
            raise made
        return made

    asked: dict[str, Any] = {"on": facts, "key": key, "payload": new, "fence": gate.fence, "serial": "books/ES01"}
    fact = await submit("post_fact", look=look, act=act, pivot=True, **asked)
    return Posted(done={key: fact.id}, refused={})


class Batches(Stage):
    """An installation whose process posts facts."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        self.facts, self.gate = Facts(settle_s=0.0), Gate()
        self.writes = Writes(self.store, WriteSettings(lease_s=2.0, deadline_s=60.0))

    @asynccontextmanager
    async def posting(self, **changed: Any) -> AsyncIterator[Worker]:  # noqa: ANN401 - any setting
        """Let a worker work while the block runs."""
        worker = Worker(
            url=self.url,
            store=self.store,
            writes=self.writes,
            workflows=[post_facts],
            resources={"facts": self.facts, "gate": self.gate},
            settings=replace(QUICK, **changed),
        )
        async with worker.started():
            yield worker

    async def post(self, keys: Sequence[str] = KEYS, *, key: str = "run_1", alone: bool = False) -> Process:
        """Ask for a process, as a handler does."""
        return await enqueue(
            self.store,
            self.engine,
            post_facts,
            Post(keys=list(keys), alone=alone),
            key=key,
            payload_sha256=key,
            caller_client_id="psa",
            correlation_id="cor_1",
            legal_entity="ES01",
            owner="Delivery",
            source="psa1",
            external_id=key,
        )

    async def outcomes(self, operation: str, keys: Sequence[str]) -> list[Outcome]:
        """Return what the guard has written down of each key."""
        intents = [await self.writes.intent("books", operation, key) for key in keys]
        return [intent.outcome for intent in intents if intent]


@pytest.fixture
async def batches(url: str, tmp_path: Path) -> AsyncIterator[Batches]:
    opened = Batches(url, tmp_path / "desk")
    yield opened
    await opened.close()


async def test_batches_are_steps_and_their_refused_items_are_values(batches: Batches) -> None:
    batches.facts.refuses = {"f_b"}
    async with batches.posting():
        done = await batches.rest(await batches.post())

    assert told(done) == ("active", "applied")
    assert await batches.shown(done) == ["post_facts done", "post_facts:2 done"]
    assert batches.facts.batches == [["f_a", "f_b"], ["f_c"]]
    assert '"refused":{"f_b":"dimension.invalid_combination"}' in (done.result or "")
    assert await batches.items(done) == []


async def test_a_batch_whose_answer_was_lost_is_looked_for_and_adopted(batches: Batches) -> None:
    batches.facts.stops_after = 1
    async with batches.posting():
        done = await batches.rest(await batches.post())

    assert told(done) == ("active", "applied")
    assert batches.facts.keys == list(KEYS)
    assert batches.facts.batches == [["f_a", "f_b"], ["f_b"], ["f_c"]]
    assert await batches.told(done) == ["accepted", "running", "in_doubt", "running", "active"]


async def test_a_retry_of_any_batch_is_one_of_its_operation(batches: Batches) -> None:
    batches.facts.plan("post_facts", None, Fault.lost_before)
    async with batches.posting():
        done = await batches.rest(await batches.post())

    assert await batches.shown(done) == ["post_facts done", "post_facts:2 done"]
    assert batches.store.metrics.total(RETRIES, connection="books", operation="post_facts") == 1
    assert batches.store.metrics.total(RETRIES) == 1


async def test_a_batch_whose_system_stays_away_parks_and_is_taken_up_by_itself(batches: Batches) -> None:
    batches.facts.plan("post_facts", *[Fault.unavailable] * 4)
    async with batches.posting():
        process = await batches.post()
        parked = await batches.rest(process)
        done = await batches.until(process, lambda seen: seen.state == "active")

    assert (parked.state, parked.parked_code) == ("parked", "upstream.unavailable")
    assert told(done) == ("active", "applied")
    assert batches.facts.keys == list(KEYS)


async def test_a_batch_that_stays_unknown_parks_with_one_work_item(batches: Batches) -> None:
    batches.facts.plan("post_facts", Fault.lost_after)
    batches.facts.plan("find_facts", None, *[Fault.unavailable] * 60)
    async with batches.posting(write_deadline_s=SOON_S):
        parked = await batches.rest(await batches.post())
        items = await batches.items(parked)
        batches.facts.forget_plans()
        await resume(batches.store, batches.engine, post_facts, INSTALLATION, parked.id, {})
        done = await batches.rest(parked)

    assert told(parked) == ("parked", "uncertain")
    assert [item.code for item in items] == [Code.upstream_timeout_uncertain]
    assert told(done) == ("active", "applied")
    assert batches.facts.keys == list(KEYS)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("fault", [Fault.lost_before, Fault.misnamed_before])
async def test_a_lost_send_passes_the_fence_again_before_it_is_sent_again(
    batches: Batches, fault: Fault, *, alone: bool
) -> None:
    batches.facts.plan("post_facts", fault)
    async with batches.posting():
        done = await batches.rest(await batches.post(["f_a"], alone=alone))

    assert told(done) == ("active", "applied")
    assert (batches.gate.asked, batches.facts.keys) == (2, ["f_a"])


@pytest.mark.parametrize("alone", [True, False])
async def test_a_fence_that_refuses_after_a_lost_send_ends_the_step_refused_with_nothing_in_doubt(
    batches: Batches, *, alone: bool
) -> None:
    batches.facts.plan("post_facts", Fault.lost_before)
    batches.gate.says = [None, Refused(Code.billing_hold_active, "Wait for the hold.")]
    async with batches.posting():
        parked = await batches.rest(await batches.post(["f_a"], alone=alone))
        steps = await batches.steps(parked)
        operation = "post_fact" if alone else "post_facts"
        outcomes = await batches.outcomes(operation, ["f_a"])
        await resume(batches.store, batches.engine, post_facts, INSTALLATION, parked.id, {})
        done = await batches.rest(parked)

    assert (told(parked), parked.parked_code) == (("parked", "none"), "billing.hold_active")
    assert [(step.state.value, step.code) for step in steps] == [("refused", Code.billing_hold_active)]
    assert outcomes == [Outcome.none]
    assert told(done) == ("active", "applied")
    assert batches.facts.keys == ["f_a"]


async def of_union(_new: Sequence[NewFact]) -> dict[str, Fact | Refused]:
    """Say it as contracts do."""
    return {}


async def of_facts(_new: Sequence[NewFact]) -> Mapping[str, Fact]:
    """Never refuse one."""
    return {}


async def of_refusals(_new: Sequence[NewFact]) -> Mapping[str, Refused]:
    """Never do one."""
    return {}


async def of_one(_new: Sequence[NewFact]) -> Fact:
    """Answer of one only."""
    raise Unavailable(Code.upstream_unavailable, "Nobody answers.")


async def of_two(_new: Sequence[NewFact]) -> Mapping[str, Fact | NewFact | Refused]:
    """Answer one of two."""
    raise Uncertain(Code.upstream_timeout_uncertain, "The answer was lost.")


@pytest.mark.parametrize("act", [of_union, of_facts, Facts.post_facts])
def test_a_batch_is_recorded_as_what_its_act_says_that_an_item_becomes(act: Callable[..., Any]) -> None:
    assert item_returned_by(act) is Fact


@pytest.mark.parametrize("act", [of_refusals, of_one, of_two])
def test_a_batch_whose_act_does_not_say_it_is_a_mistake(act: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="must say"):
        item_returned_by(act)
