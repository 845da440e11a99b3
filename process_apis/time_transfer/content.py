"""What an entry says, and what is to be done about it, given what is known of it here. Pure."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct, json

from openapi.system.psa.v1 import ApprovalState
from openapi.system.psa.v1 import TimeEntry as Theirs
from process_apis.ledger.entries import Approval, TimeEntry, Transfer
from process_apis.ledger.facts import Adjustment, Fact, Posting

UNFINISHED: Final = (Posting.pending, Posting.posting, Posting.in_doubt)
IN_THE_BOOKS: Final = (Posting.posted, Posting.skipped)


class Act(StrEnum):
    """What is to be done about an entry."""

    nothing = "nothing"
    drop = "drop"
    """It is not approved, and never was as far as we know."""
    check = "check"
    """Check the revision, and post it; whatever stands of an earlier one is reversed with it."""
    cancel = "cancel"
    """It is not approved any more, and nothing of it is in the books."""
    take_back = "take_back"
    """It is not approved any more: reverse what is in the books."""
    carry_on = "carry_on"
    """A posting of it was left under way: finish that first."""


class History(Struct, frozen=True, kw_only=True):
    """All that is known here of one entry: its revisions, the oldest first, and the facts of all of them."""

    revisions: Sequence[TimeEntry] = ()
    facts: Sequence[Fact] = ()

    @property
    def latest(self) -> TimeEntry | None:
        """Return the newest revision."""
        return self.revisions[-1] if self.revisions else None

    @property
    def standing(self) -> list[Fact]:
        """Return the facts that are in the books, or count as if they were, and that nothing takes back."""
        reversed_ids = {fact.reverses for fact in self.facts if fact.reverses}
        return [
            fact
            for fact in self.facts
            if fact.adjustment is not Adjustment.reversal
            and fact.posting in IN_THE_BOOKS
            and fact.id not in reversed_ids
        ]

    @property
    def unfinished(self) -> list[Fact]:
        """Return the facts whose posting is under way."""
        return [fact for fact in self.facts if fact.posting in UNFINISHED]

    @property
    def refused_reversals(self) -> list[Fact]:
        """Return the reversals that the ERP has refused so far: they are sent again, whatever else is to be done."""
        return [
            fact for fact in self.facts if fact.posting is Posting.failed and fact.adjustment is Adjustment.reversal
        ]

    def of(self, revision: int) -> list[Fact]:
        """Return the facts of the revision, reversals left out."""
        return [fact for fact in self.facts if fact.revision == revision and fact.adjustment is not Adjustment.reversal]


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done about an entry, and which revision it is about."""

    act: Act
    revision: int = 0


def content_sha256(entry: Theirs) -> str:
    """Return the digest of what an entry says. Names and approval are left out: they change, and nothing is posted."""
    content = (
        entry.project_id,
        entry.task_id,
        entry.resource_id,
        entry.work_date,
        entry.minutes,
        str(Decimal(entry.hours).normalize()),
        entry.billable,
        entry.description,
    )
    return hashlib.sha256(json.encode(content)).hexdigest()


def version_of(entry: Theirs) -> str:
    """Return what tells this state of an entry from every other: told twice, it is one change."""
    return json.encode([content_sha256(entry), entry.approval.state, entry.version, entry.updated_at]).decode()


def is_approved(entry: Theirs | None) -> bool:
    """Tell whether the PSA has the entry, approved."""
    return entry is not None and entry.approval.state is ApprovalState.approved


def is_known(entry: Theirs, latest: TimeEntry | None) -> bool:
    """Tell whether what the PSA says was taken over before, so that there is nothing to look at."""
    if latest is None:
        return not is_approved(entry)
    if not is_approved(entry):
        return latest.approval in {Approval.recalled, Approval.rejected}
    same = latest.content_sha256 == content_sha256(entry)
    return same and (latest.approval is Approval.approved or _asked_back(entry, latest))


def _asked_back(entry: Theirs, latest: TimeEntry) -> bool:
    """Tell whether it was taken back here and nobody has approved it since."""
    again = entry.approval.approved_at is not None and entry.approval.approved_at != latest.approved_at
    same = latest.content_sha256 == content_sha256(entry)
    return latest.approval is Approval.recall_requested and same and not again


def plan(theirs: Theirs | None, history: History) -> Plan:
    """Return what is to be done; the PSA's word of now counts, not the one that made us look."""
    latest = history.latest
    if history.unfinished:
        return Plan(act=Act.carry_on, revision=max(fact.revision for fact in history.unfinished))
    if theirs is None or not is_approved(theirs):
        return _not_approved(history)
    if latest is None:
        return Plan(act=Act.check, revision=1)
    if _asked_back(theirs, latest):
        return Plan(act=Act.nothing, revision=latest.revision)
    same = latest.content_sha256 == content_sha256(theirs) and latest.approval is Approval.approved
    if not same:
        return Plan(act=Act.check, revision=latest.revision + 1)
    done = latest.transfer in {Transfer.posted, Transfer.ignored}
    return Plan(act=Act.nothing if done and latest.code is None else Act.check, revision=latest.revision)


def _not_approved(history: History) -> Plan:
    latest = history.latest
    if latest is None:
        return Plan(act=Act.drop)
    if history.standing:
        return Plan(act=Act.take_back, revision=latest.revision)
    ended = latest.approval in {Approval.recalled, Approval.rejected}
    return Plan(act=Act.nothing if ended else Act.cancel, revision=latest.revision)
