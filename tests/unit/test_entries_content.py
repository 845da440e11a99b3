"""What is done about an entry: by what the PSA says now, and what is known of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from openapi.common.types import Code
from openapi.system.psa.v1 import ApprovalState, TimeApproval
from process_apis.ledger.entries import Approval, TimeEntry, Transfer
from process_apis.ledger.facts import Adjustment, Billing, Posting
from process_apis.time_transfer.content import Act, History, Plan, content_sha256, is_known, plan, version_of
from tests.unit.test_facts_of_time import ENTRY, KNOWN, facts

WHEN = datetime(2026, 11, 21, tzinfo=UTC)
OPEN = replace(ENTRY, approval=TimeApproval(state=ApprovalState.open, approved_by=None, approved_at=None))
EDITED = replace(ENTRY, minutes=30)
AGAIN = replace(ENTRY, approval=replace(ENTRY.approval, approved_at=datetime(2026, 11, 25, tzinfo=UTC)))


def ours(**changes: Any) -> TimeEntry:  # noqa: ANN401 - any field
    known = TimeEntry(
        id="ent_1",
        psa="delivery",
        external_id="4711",
        revision=1,
        content_sha256=content_sha256(ENTRY),
        psa_project_id="1",
        legal_entity="ES01",
        customer="cus_1",
        project="prj_1",
        resource_id="7",
        resource_email=None,
        resource_name="Ana Ruiz",
        task_id=None,
        task_name=None,
        work_date=ENTRY.work_date,
        minutes=20,
        hours="0.3333",
        billable=None,
        description=None,
        approved_by=None,
        approved_at=None,
        source_updated_at=WHEN,
        approval=Approval.approved,
        transfer=Transfer.posted,
        first_approved_at=WHEN,
    )
    return replace(known, **changes)


SALE = replace(facts(KNOWN)[1], posting=Posting.posted, billing=Billing.ready)
POSTED = History(revisions=[ours()], facts=[SALE])
GONE = History(
    revisions=[ours(approval=Approval.recalled, transfer=Transfer.reversed)],
    facts=[SALE, replace(SALE, id="fct_2", adjustment=Adjustment.reversal, reverses=SALE.id)],
)
REJECTED = History(revisions=[ours(transfer=Transfer.rejected_validation, code=Code.rate_missing)])
ASKED_BACK = History(revisions=[ours(approval=Approval.recall_requested, transfer=Transfer.reversed)])


@pytest.mark.parametrize(
    ("theirs", "history", "expected"),
    [
        (ENTRY, History(), Plan(act=Act.check, revision=1)),
        (OPEN, History(), Plan(act=Act.drop)),
        (None, History(), Plan(act=Act.drop)),
        (ENTRY, POSTED, Plan(act=Act.nothing, revision=1)),
        (EDITED, POSTED, Plan(act=Act.check, revision=2)),
        (OPEN, POSTED, Plan(act=Act.take_back, revision=1)),
        (None, POSTED, Plan(act=Act.take_back, revision=1)),
        (ENTRY, REJECTED, Plan(act=Act.check, revision=1)),
        (EDITED, REJECTED, Plan(act=Act.check, revision=2)),
        (OPEN, REJECTED, Plan(act=Act.cancel, revision=1)),
        (OPEN, GONE, Plan(act=Act.nothing, revision=1)),
        (ENTRY, GONE, Plan(act=Act.check, revision=2)),
        (ENTRY, ASKED_BACK, Plan(act=Act.nothing, revision=1)),
        (AGAIN, ASKED_BACK, Plan(act=Act.check, revision=2)),
        (EDITED, ASKED_BACK, Plan(act=Act.check, revision=2)),
        (OPEN, ASKED_BACK, Plan(act=Act.cancel, revision=1)),
        (
            EDITED,
            History(revisions=[ours()], facts=[replace(SALE, posting=Posting.in_doubt)]),
            Plan(act=Act.carry_on, revision=1),
        ),
        (
            ENTRY,
            History(revisions=[ours(code=Code.contract_cap_exceeded)], facts=[SALE]),
            Plan(act=Act.check, revision=1),
        ),
    ],
)
def test_plan(theirs: Any, history: History, expected: Plan) -> None:  # noqa: ANN401 - an entry, or None
    assert plan(theirs, history) == expected


@pytest.mark.parametrize(
    ("theirs", "history", "known"),
    [
        (ENTRY, History(), False),
        (OPEN, History(), True),
        (ENTRY, POSTED, True),
        (EDITED, POSTED, False),
        (OPEN, POSTED, False),
        (OPEN, GONE, True),
        (ENTRY, GONE, False),
        (ENTRY, ASKED_BACK, True),
        (AGAIN, ASKED_BACK, False),
    ],
)
def test_what_was_taken_over_is_known(theirs: Any, history: History, known: bool) -> None:  # noqa: ANN401, FBT001 - as above
    assert is_known(theirs, history.latest) is known


def test_content_is_what_is_posted_and_version_whatever_changes() -> None:
    renamed = replace(ENTRY, resource_name="Ana R.", task_name="Builds", hours="0.33330")

    assert content_sha256(renamed) == content_sha256(ENTRY)
    assert content_sha256(EDITED) != content_sha256(ENTRY)
    assert len({version_of(one) for one in (ENTRY, OPEN, EDITED, replace(ENTRY, version="v2"))}) == 4
