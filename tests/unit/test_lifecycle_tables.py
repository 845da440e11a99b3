"""The tables of `tiebeam lifecycle`: what ends first in front, how long is left, and what to do next."""

import re
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from gateway.commands_lifecycle import NEXT, NOBODY, NOT_THIS_ONE, NOTHING, Found, left, lines_of
from gateway.commands_lifecycle import USES as USE_HEADINGS
from gateway.commands_lifecycle import VERSIONS as VERSION_HEADINGS
from gateway.lifecycle import Version
from gateway.lifecycle.document import FieldRetirement
from gateway.policy.consumers import Consumers
from gateway.policy.document import policies_of
from gateway.store.usage import Calling, Used, UsedPlace

V1, V2, STATUS = "process/billing_holds/v1", "process/billing_holds/v2", "process/status/v1"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
STAYS = Version(
    owner="Finance Ops", contact="f@example.com", service_level="x", data_class="internal", review_on=date(2027, 1, 1)
)
FIELD = FieldRetirement(
    operation="get_project_status", place="response", pointer="/lines/*/note", deprecated_at=NOW, instead="`reason`"
)
GOES = msgspec.structs.replace(
    STAYS, deprecated_at=NOW - timedelta(days=1), sunset_at=NOW + timedelta(days=5), successor=V2
)
PARTS_GO = msgspec.structs.replace(STAYS, fields=(FIELD,))
VERSIONS = {V2: STAYS, STATUS: PARTS_GO, V1: GOES}
CONSUMERS = Consumers(policies_of("05-consumers.yaml", [{"kind": "consumer", "client_id": "crm", "owner": "Sales"}]))


def _used(
    client_id: str, contract: str, operation: str, pointer: str = "", issuer: str = "https://one.example"
) -> Used:
    return Used(
        issuer=issuer,
        client_id=client_id,
        contract=contract,
        operation=operation,
        place=UsedPlace.response if pointer else UsedPlace.call,
        pointer=pointer,
        count=12,
        first_seen=NOW,
        last_seen=NOW,
    )


USED = [
    _used("crm", STATUS, "get_project_status"),
    _used("crm", STATUS, "get_project_status", "/lines/*/note"),
    _used("crm", V1, "place_hold"),
    _used("gone", V1, "list_holds"),
    _used("crm", V2, "place_hold"),
]


def _found(versions: dict[str, Version] = VERSIONS, used: list[Used] = USED, now: datetime = NOW) -> Found:
    calling = {one.contract: Calling(clients=1 + (one.contract == V1), last_seen=NOW) for one in used}
    return Found(versions=versions, used=used, calling=calling, consumers=CONSUMERS, now=now)


def _cells(line: str) -> list[str]:
    return re.split(r" {2,}", line)


def test_what_goes_is_shown_with_whoever_uses_it_the_most_urgent_first() -> None:
    versions, uses = lines_of(_found())[:3], lines_of(_found())[4:8]
    ends = ["2026-11-29 09:00Z", "5 days"]
    seen = ["12", "2026-11-24 09:00Z"]

    assert [_cells(line) for line in versions] == [
        list(VERSION_HEADINGS),
        [V1, "deprecated", "2026-11-23 09:00Z", *ends, V2, "Finance Ops", "2"],
        [STATUS, "parts of it go", "-", "-", "-", "-", "Finance Ops", "1"],
    ]
    assert [_cells(line) for line in uses] == [
        list(USE_HEADINGS),
        [*ends, "crm", "Sales", f"{V1}:place_hold", V2, *seen],
        [*ends, "gone", "unknown", f"{V1}:list_holds", V2, *seen],
        ["-", "-", "crm", "Sales", f"{STATUS}:get_project_status response /lines/*/note", "`reason`", *seen],
    ]
    assert lines_of(_found())[8:] == ["", NEXT]


def test_columns_begin_at_the_same_place() -> None:
    heading, *rows = lines_of(_found())[:3]

    assert {row.index("Finance Ops") for row in rows} == {heading.index("owner")}


def test_what_stays_is_shown_when_it_is_asked_for() -> None:
    lines = lines_of(_found(), everything=True)

    assert [line.split()[0] for line in lines[1:4]] == [V1, STATUS, V2]
    assert sum(line.startswith("- ") for line in lines) == 3
    assert lines[-1] == NEXT


def test_where_nothing_goes_it_says_how_to_begin() -> None:
    stays = _found({V2: STAYS})

    assert lines_of(stays) == [NOTHING]
    assert lines_of(stays, everything=True)[-1] == NOTHING


def test_where_nobody_uses_what_goes_it_may_end() -> None:
    assert lines_of(_found(used=[]))[-2:] == ["", NOBODY]
    assert len(lines_of(_found(used=[]))) == 5


def test_what_one_client_uses_says_nothing_of_the_others() -> None:
    of_crm, of_shop = (lines_of(msgspec.structs.replace(_found(), client_id=name)) for name in ("crm", "shop"))

    assert [_cells(line)[2] for line in of_crm[5:7]] == ["crm", "crm"]
    assert of_crm[-1] == NEXT
    assert of_shop[1:] == [*lines_of(_found())[1:3], "", NOT_THIS_ONE]
    assert _cells(of_shop[1])[-1] == "2"


def test_calls_of_a_version_that_is_served_no_more_have_no_operation() -> None:
    lines = lines_of(_found({V1: GOES}, [_used("crm", V1, "")]))

    assert _cells(lines[4])[4] == V1


def test_a_version_that_has_ended_is_over() -> None:
    assert GOES.sunset_at
    ended = _found(now=GOES.sunset_at)

    assert lines_of(ended)[1].split()[1:2] == ["sunset"]
    assert "over" in lines_of(ended)[1]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "over"),
        (-5, "over"),
        (1, "1 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 hours"),
        (172_799, "47 hours"),
        (172_800, "2 days"),
        (8_640_000, "100 days"),
    ],
)
def test_what_is_left_is_told_in_whole_units(seconds: int, said: str) -> None:
    assert left(NOW + timedelta(seconds=seconds), NOW) == said


def test_clients_of_one_name_are_told_apart_by_their_issuers() -> None:
    used = [
        _used("crm", V1, "place_hold"),
        _used("crm", V1, "place_hold", issuer="https://other.example"),
        _used("gone", V1, "place_hold"),
    ]

    lines = lines_of(_found(used=used))
    rows = [_cells(line)[2] for line in lines[lines.index("") + 2 : -2]]

    assert rows == ["crm of https://one.example", "crm of https://other.example", "gone"]
