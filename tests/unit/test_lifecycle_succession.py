"""What comes in a version's place: never one that has ended itself."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from gateway.caller import Client
from gateway.errors import Refused
from gateway.lifecycle import Course, Version, course_of, living
from gateway.lifecycle.document import Extension

V1, V2, V3 = (f"process/billing_holds/v{number}" for number in (1, 2, 3))
NOW: Final = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=9)
CRM, SHOP = Client("https://one.example", "crm"), Client("https://one.example", "shop")
STAYS: Final = Version(
    owner="Ops", contact="o@example.com", service_level="x", data_class="internal", review_on=date(2027, 1, 1)
)
VERSIONS: Final = {
    V1: replace(STAYS, deprecated_at=NOW, sunset_at=NOW, successor=V2),
    V2: replace(
        STAYS,
        deprecated_at=NOW,
        sunset_at=SOON,
        successor=V3,
        extensions=(Extension(client_id="shop", until=LATER, reason="Late."),),
    ),
    V3: STAYS,
}


def course(versions: dict[str, Version] = VERSIONS, client: Client | None = CRM) -> Course:
    """Return the course of the oldest version."""
    found = course_of(versions, f"{V1}:list_holds", None, client)
    assert found
    return found


def link(of: Course, now: datetime) -> str:
    """Return the target of the link to the successor; empty where there is none."""
    first = dict(of.told(now))[b"link"].decode().split(", ")[0]
    return first.partition(">")[0][1:] if "successor-version" in first else ""


@pytest.mark.parametrize(
    ("client", "now", "path"),
    [
        (CRM, NOW, "/process/billing-holds/v2"),
        (CRM, SOON - timedelta(seconds=1), "/process/billing-holds/v2"),
        (CRM, SOON, "/process/billing-holds/v3"),
        (SHOP, SOON, "/process/billing-holds/v2"),
        (SHOP, LATER, "/process/billing-holds/v3"),
        (None, SOON, "/process/billing-holds/v3"),
    ],
)
def test_link_and_words_lead_to_the_first_successor_that_lives(client: Client | None, now: datetime, path: str) -> None:
    of = course(client=client)
    refused = of.refusal(now)

    assert link(of, now) == path
    assert isinstance(refused, Refused)
    assert f" at {path} instead." in refused.detail
    assert f" at {path} instead." in of.newcomer(now).detail


def test_nothing_is_named_where_all_of_them_have_ended() -> None:
    ended = VERSIONS | {V3: replace(STAYS, deprecated_at=NOW, sunset_at=SOON)}

    of = course(ended)

    assert (link(of, NOW), link(of, SOON)) == ("/process/billing-holds/v2", "")
    refused = of.refusal(SOON)
    assert refused
    assert "Nothing takes its place." in refused.detail


def test_versions_that_name_each_other_come_to_an_end() -> None:
    round_about = {one: replace(version, sunset_at=NOW) for one, version in VERSIONS.items()}
    round_about[V3] = replace(round_about[V3], deprecated_at=NOW, successor=V1)

    assert link(course(round_about), NOW) == ""
    assert [version.successor for version in living(round_about, NOW).values()] == [None, None, None]


def test_successor_that_nothing_is_known_of_is_taken_for_living() -> None:
    assert link(course({V1: VERSIONS[V1]}), LATER) == "/process/billing-holds/v2"


def test_versions_are_told_with_successors_that_live() -> None:
    told = [{name: one.successor for name, one in living(VERSIONS, now).items()} for now in (NOW, SOON)]

    assert told == [{V1: V2, V2: V3, V3: None}, {V1: V3, V2: V3, V3: None}]
    assert living(VERSIONS, NOW)[V1] is VERSIONS[V1]
