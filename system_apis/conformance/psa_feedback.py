"""What every PSA connector must pass: what time shows of its billing."""

from collections.abc import Sequence

from gateway.errors import Refused
from openapi.common.types import Code, Money
from openapi.system.psa.v1 import NewEntryFeedback, TimeFeedback, TimeFeedbackState
from system_apis.conformance.psa_tasks import needs
from system_apis.conformance.psa_time import a_booking, content, entry_of
from system_apis.conformance.target import PsaTarget


async def told(target: PsaTarget, *feedback: NewEntryFeedback) -> dict[str, TimeFeedback | Refused]:
    """Return what the PSA made of it, sent as every caller sends it."""
    return dict(await target.port.write_time_feedback(feedback))


def shown(new: NewEntryFeedback) -> TimeFeedback:
    """Return what an entry shows that was told this."""
    texts = {name: value if isinstance(value := getattr(new, name), str) else None for name in ("reference", "reason")}
    amount = new.amount if isinstance(new.amount, Money) else None
    return TimeFeedback(entry_id=new.entry_id, state=new.state, amount=amount, **texts)


def words_on(entry_id: str) -> Sequence[NewEntryFeedback]:
    """Return feedback of every state, with all that it may say and with nothing."""
    amount = Money(amount="-31.67", currency="EUR")
    reason = "The rate is missing: add a rate for “Senior”, from 1 November on.  "
    return [
        NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState.rejected, reason=reason),
        NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState.posted, reference="M2026/0005", amount=amount),
        NewEntryFeedback(
            entry_id=entry_id, state=TimeFeedbackState.reversed, reference="amount: 3", amount=amount, reason="r: x"
        ),
        NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState.ignored),
        NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState.billed, reference="INV2026/0004", amount=amount),
        NewEntryFeedback(entry_id=entry_id, state=TimeFeedbackState.rejected, reason="Ünïcödé 株式会社 " * 33),
    ]


async def test_feedback_shows_the_newest_word(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_feedback)
    entry_id = await target.books.book_time(await a_booking(target))
    await target.books.approve(entry_id)
    before = await target.port.find_time_feedback([entry_id])

    for word in words_on(entry_id):
        assert await told(target, word) == {entry_id: shown(word)}
        assert await target.port.find_time_feedback([entry_id]) == {entry_id: shown(word)}

    assert before == {}


async def test_feedback_leaves_time_and_approval_as_they_are(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_feedback)
    entry_id = await target.books.book_time(await a_booking(target))
    await target.books.approve(entry_id)
    before = await entry_of(target, entry_id)

    await told(target, *words_on(entry_id)[1:2])
    after = await entry_of(target, entry_id)

    assert content(after) == content(before)
    assert after.version == before.version


async def test_feedback_on_many_is_told_of_each(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_feedback)
    booking = await a_booking(target)
    one, other, deleted, silent = [await target.books.book_time(booking) for _ in range(4)]
    await target.books.delete_time(deleted)
    words = [
        NewEntryFeedback(entry_id=each, state=TimeFeedbackState.posted, reference=f"M-{each}")
        for each in (one, other, deleted)
    ]

    outcomes = await told(target, *words)
    found = await target.port.find_time_feedback([one, other, deleted, silent, "nobody"])

    gone = outcomes.pop(deleted)
    assert isinstance(gone, Refused)
    assert gone.code is Code.resource_not_found
    assert outcomes == found == {word.entry_id: shown(word) for word in words[:2]}


async def test_feedback_on_nothing_but_what_is_gone_is_refused_for_each(target: PsaTarget) -> None:
    needs(target.port.capabilities.time_feedback)

    outcomes = await told(target, NewEntryFeedback(entry_id="999999999", state=TimeFeedbackState.ignored))

    assert isinstance(outcomes["999999999"], Refused)
    assert await target.port.find_time_feedback([]) == {}
