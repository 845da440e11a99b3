"""Answers of a real Tryton are lost on the wire, at each write of the thread of money; its own ledger is counted.

Each fault meets each write, while the ERP can be asked afterwards, while it cannot be searched for a while, and while
it is gone altogether. Sampled, unless TIEBEAM_CAMPAIGN=full.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise, product
from typing import Final, NamedTuple

import httpx
import pytest

from examples.servers.tcp_proxy import BEFORE, Call, Fault, TcpProxy
from tests.faults.money_stage import HOLDS, ITEMS, SETTLE_S, Document, MoneyStage, Seen, money_stage

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
SEARCH: Final = b"search_read"
HOLD_S: Final = 60.0
"""Longer than anybody waits for an answer."""

pytestmark = [pytest.mark.live, pytest.mark.campaign]


class Write(NamedTuple):
    """A call of Tryton's that writes, and which part of the thread makes it."""

    by: str
    method: bytes


WRITES: Final = (
    Write("transfer", b"account.move.create"),
    Write("transfer", b"account.move.post"),
    Write("release", b"account.invoice.create"),
    Write("release", b"account.invoice.validate_invoice"),
    Write("release", b"account.invoice.post"),
    Write("release", b"account.move.create"),
    Write("release", b"account.move.post"),
)
AFTERWARDS: Final = ("all is well", "no search", "gone")
"""What Tryton does while nobody knows yet."""


class Case(NamedTuple):
    """One fault at one write."""

    write: Write
    fault: Fault
    afterwards: str

    def __str__(self) -> str:
        return f"{self.write.by}, {self.write.method.decode()}, {self.fault.name}, {self.afterwards}"


CASES: Final = [
    Case(*parts)
    for parts in product(WRITES, Fault, AFTERWARDS)
    if parts[2] != "gone" or parts[1] not in BEFORE  # A call that never arrives sees nobody leave.
]
SAMPLE: Final = [
    Case(WRITES[0], Fault.lost_after, "no search"),
    Case(WRITES[1], Fault.cut, "all is well"),
    Case(WRITES[2], Fault.lost_after, "gone"),
    Case(WRITES[2], Fault.lost_before, "all is well"),
    Case(WRITES[4], Fault.away_after, "no search"),
    Case(WRITES[5], Fault.late, "all is well"),
]


class Outage:
    """What is wrong with the ERP from the call on that meets the fault, until the caller has been told of the doubt."""

    def __init__(self, proxy: TcpProxy, case: Case) -> None:
        self._proxy, self._case, self._gone = proxy, case, ExitStack()
        self._rule = proxy.inject(
            case.fault,
            case.write.method,
            hold_s=HOLD_S if case.fault is Fault.late else 0.0,
            on_call=self._no_search if case.afterwards == "no search" else None,
            on_effect=self._vanish if case.afterwards == "gone" else None,
        )
        self._hindered = 0

    @property
    def met(self) -> bool:
        """Tell whether the call has come."""
        return self._rule.left == 0

    def told(self, seen: Seen) -> None:
        """End the outage once the caller knows of the doubt, and looks have been taken in vain.

        On a busy machine the caller may have been told of another doubt before.
        """
        if not self.met or not seen.in_doubt_now:
            return
        if self._case.afterwards == "no search":
            self._hindered = sum(call.fault is not None for call in self._proxy.calls(SEARCH))
        if self._case.afterwards != "no search" or self._hindered > 1:
            self.end()

    def end(self) -> None:
        """Let the ERP be well again."""
        self._gone.close()
        self._proxy.lift()

    def _no_search(self, _call: Call) -> None:
        self._proxy.inject(Fault.lost_before, SEARCH, times=None)

    def _vanish(self, _call: Call) -> None:
        self._gone.enter_context(self._proxy.refusing())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MoneyStage]:
    with money_stage(tmp_path_factory.mktemp("money")) as running:
        yield running


@pytest.fixture(autouse=True)
def _undisturbed(stage: MoneyStage) -> Iterator[None]:
    yield
    stage.proxy.lift()


@pytest.mark.parametrize("case", CASES if FULL else SAMPLE, ids=str)
def test_answer_that_is_lost_at_a_write_leaves_one_of_each(stage: MoneyStage, case: Case) -> None:
    project = stage.onboard()
    stage.work(project)
    if case.write.by == "release":
        stage.watch(stage.transfer())

    outage = Outage(stage.proxy, case)
    location = stage.transfer() if case.write.by == "transfer" else stage.release(project)
    seen = stage.watch(location, each=outage.told)

    assert outage.met, f"It was never sent: {seen.last}"
    assert seen.in_doubt, "The caller has to be told while nobody knows."
    assert (seen.last["state"], seen.last["outcome"]) == ("completed", "applied")
    assert_once(stage, project, seen.last)


def test_invoice_in_doubt_for_long_becomes_a_work_item_and_its_resumption_makes_no_second_one(
    stage: MoneyStage,
) -> None:
    project = stage.onboard()
    stage.work(project)
    stage.watch(stage.transfer())
    Outage(stage.proxy, Case(WRITES[2], Fault.lost_after, "no search"))

    location = stage.release(project)
    parked = stage.watch(location, until=waits_for_somebody)

    (part,) = parked.last["requests"]
    (item,) = asked_about(stage, part)
    assert part["outcome"] == "uncertain"
    stage.proxy.lift()
    resume(stage, item)
    seen = stage.watch(location)
    assert (seen.last["state"], seen.last["outcome"]) == ("completed", "applied")
    assert_once(stage, project, seen.last)


@pytest.mark.parametrize("by_hand", [True, False], ids=["resumed", "by itself"])
def test_postings_in_doubt_for_long_are_work_items_and_a_later_run_makes_no_second_one(
    stage: MoneyStage, *, by_hand: bool
) -> None:
    project = stage.onboard()
    stage.work(project)
    Outage(stage.proxy, Case(WRITES[1], Fault.lost_after, "no search"))

    left = stage.watch(stage.transfer()).last

    assert (left["state"], left["outcome"], left["counts"]["in_doubt"]) == ("completed", "uncertain", 2)
    items = asked_about(stage, left)
    assert sorted(item["amount_at_risk"]["amount"] for item in items) == ["120.00", "61.67"]
    stage.proxy.lift()
    if by_hand:
        resume(stage, items[0])
    seen = stage.watch(stage.transfer())
    assert (seen.last["state"], seen.last["outcome"]) == ("completed", "applied")
    assert_once(stage, project, seen.last)
    assert {stage.get(f"{ITEMS}/{item['id']}")["state"] for item in items} == {"auto_resolved"}


@pytest.mark.parametrize(
    ("fault", "hold", "request_state", "invoices"),
    [(Fault.lost_before, "active", "held", []), (Fault.lost_after, "too_late", "posted", ["posted"])],
    ids=["never arrived", "has arrived"],
)
def test_hold_that_meets_a_doubt_is_decided_by_what_the_ledger_has(
    stage: MoneyStage, fault: Fault, hold: str, request_state: str, invoices: list[str]
) -> None:
    project = stage.onboard()
    stage.work(project)
    stage.watch(stage.transfer())
    Outage(stage.proxy, Case(WRITES[2], fault, "no search"))
    location = stage.release(project)
    stage.watch(location, until=lambda release: release["outcome"] == "uncertain")

    placed = stage.ask(HOLDS, {"scope": {"type": "project", "id": project["id"]}, "reason_code": "dispute"})
    meanwhile = stage.get(placed)["state"]
    stage.proxy.lift()
    (request,) = stage.watch(location).last["requests"]
    decided = next(found for found in stage.polled(placed) if found["state"] != "requested")

    assert (meanwhile, request["state"], decided["state"]) == ("requested", request_state, hold)
    assert stage.ledger.invoices(request["business_key"]) == invoices
    assert len(stage.proxy.calls(WRITES[2].method, f'"{request["business_key"]}"'.encode())) == 1


def asked_about(stage: MoneyStage, part: Document) -> list[Document]:
    """Return the work items of the part, which are about what nobody knows."""
    items = [stage.get(f"{ITEMS}/{one}") for one in part["work_items"]]
    assert {item["code"] for item in items} == {"upstream.timeout_uncertain"}
    return items


def resume(stage: MoneyStage, item: Document) -> None:
    """Let it be looked at again at somebody's request."""
    resumed = stage.http.post(f"{ITEMS}/{item['id']}/resume", json={"decision": {}})
    assert resumed.status_code == httpx.codes.ACCEPTED, resumed.text


def waits_for_somebody(document: Document) -> bool:
    """Tell whether somebody is asked."""
    return document["state"] == "parked" and any(one["work_items"] for one in document.get("requests", [document]))


def assert_once(stage: MoneyStage, project: Document, last: Document) -> None:
    """Assert that the ledger has each thing once, and that nothing was sent again before an answer to a look."""
    facts = stage.facts(project)
    assert [fact["posting"] for fact in facts] == ["posted"] * 4
    keys = {fact["business_key"]: stage.ledger.moves for fact in facts}
    for request in last.get("requests", ()):
        assert (request["state"], request["outcome"]) == ("posted", "applied")
        invoice = request["business_key"]
        keys |= {invoice: stage.ledger.invoices, f"{invoice}_rel": stage.ledger.moves}
    assert {key: found(key) for key, found in keys.items()} == {key: ["posted"] for key in keys}
    assert [key for key in keys if sent_blindly(stage.proxy.calls(), key)] == []


def sent_blindly(calls: list[Call], key: str) -> bool:
    """Tell whether a create was sent again without an answered look before it, taken after Tryton had settled."""
    quoted = f'"{key}"'.encode()
    looks = [call for call in calls if call.contains(SEARCH, quoted) and call.fault is None and call.status is not None]
    creates = [call for call in calls if call.contains(b".create", quoted)]
    return not all(
        any(first.at + SETTLE_S <= look.at < second.at for look in looks) for first, second in pairwise(creates)
    )
