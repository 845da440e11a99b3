"""An installation of an earlier release is upgraded while callers call it, and taken back once on the way.

Real web processes and workers of both releases, side by side on one PostgreSQL and Valkey. It is played once for each
way; the tests look at what was seen, and at the systems' own books. The sample is one way, from the last release; with
TIEBEAM_CAMPAIGN=full there are more, and some from the first one, which has the most to migrate.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import pytest

from tests.faults.upgrade_callers import SCOPES, Callers
from tests.faults.upgrade_house import House, house
from tests.faults.upgrade_played import STEPS, Seen, Upgrade, Way
from tests.faults.upgrade_systems import MINUTES, systems
from tests.releases import LAST, OLDEST, check_out
from tests.servers_postgres import postgres
from tests.servers_valkey import valkey

FULL: Final = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
pytestmark = pytest.mark.campaign
SAMPLE: Final = Way(LAST, "fakes", "between_act_and_record", killed=True, checked=False)
WAYS: Final = [
    SAMPLE,
    Way(LAST, "fakes", "between_act_and_record", killed=False, tellers=3),
    Way(LAST, "fakes", "between_act_and_record", killed=True, tellers=3),
    Way(LAST, "fakes", "between_intent_and_act", killed=True),
    Way(LAST, "fakes", "before", killed=True),
    Way(LAST, "fakes", "after", killed=True),
    Way(LAST, "tryton", "between_act_and_record", killed=True),
    Way(LAST, "tryton", "between_intent_and_act", killed=True),
    Way(LAST, "tryton", "between_act_and_record", killed=False),
    Way(OLDEST, "fakes", "between_act_and_record", killed=False, tellers=3),
    Way(OLDEST, "fakes", "between_act_and_record", killed=True, tellers=3),
    Way(OLDEST, "tryton", "between_act_and_record", killed=True),
]


class Played(NamedTuple):
    """An upgrade that is over."""

    way: Way
    seen: Seen
    callers: Callers
    house: House


@pytest.fixture(scope="module", params=WAYS if FULL else [SAMPLE], ids=lambda way: "-".join(map(str, way)))
async def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    folder, way = tmp_path_factory.mktemp("upgrade"), request.param
    old = check_out(way.release, folder / way.release)
    with postgres() as server, valkey() as counters:
        url, redis = server.database(), counters.url.reveal()
        async with systems(way.systems) as running, house(folder, old, running, url, redis) as opened:
            callers = Callers(running, opened.token("crm", *SCOPES))
            yield Played(way, await Upgrade(opened, running, callers, way).play(), callers, opened)


def test_no_call_fails_and_whoever_is_told_to_stop_ends_well(played: Played) -> None:
    failed = played.callers.failed
    ill = [one for one in played.seen.stopped if one.code]

    assert not failed, "\n".join([*failed, played.house.said()])
    assert not ill, "\n".join(f"ended with {one.code}: {one.said}" for one in ill)
    assert len(played.seen.stopped) == (2 if played.way.killed else 4)
    assert len(played.callers.served) == 2


def test_either_release_gives_the_answer_that_the_other_one_gave_under_the_key(played: Played) -> None:
    old, new = played.callers.served

    assert set(played.callers.replayed) == {(old, new), (new, old)}


def test_new_release_finds_nothing_to_mend_beside_the_old_one(played: Played) -> None:
    assert "FAIL" not in played.seen.checked
    assert ("ok    books: " in played.seen.checked) == played.way.checked


def test_what_one_release_is_in_the_middle_of_is_finished_by_the_other(played: Played) -> None:
    there_and_back = played.seen.finished

    assert played.seen.reached == [set(STEPS.values())] * 2
    assert [one["onboarding"]["state"] for one in there_and_back] == ["active"] * 2
    assert [one["run"]["state"] for one in there_and_back] == ["completed"] * 2
    assert [[one["state"] for one in found["release"]["requests"]] for found in there_and_back] == [["posted"]] * 2


def test_what_one_release_parked_goes_on_in_the_other(played: Played) -> None:
    assert [one["state"] for one in played.seen.parked] == ["parked"] * 2
    assert [one["state"] for one in played.seen.resumed] == ["active"] * 2


def test_hold_placed_through_either_release_stops_what_is_released_through_the_other(played: Played) -> None:
    found = [(request["state"], request["code"], request["invoice"]) for request in played.seen.held]

    assert found == [("held", "billing.hold_active", None)] * 2


def test_client_withdrawn_through_either_release_is_refused_by_the_other(played: Played) -> None:
    assert played.seen.withdrawn == [(200, 401)] * 2


def test_either_release_goes_on_from_the_page_that_the_other_one_gave(played: Played) -> None:
    assert [len(set(page)) for page in played.seen.pages] == [2, 2]


def test_each_document_is_in_the_systems_books_once(played: Played) -> None:
    callers, made = played.callers, {name: Counter(keys) for name, keys in played.seen.made.items()}
    invoiced = callers.invoiced + len(played.seen.finished)
    wanted = dict.fromkeys(("customers", "books", "delivery"), callers.signed) | {
        "postings": callers.worked * len(MINUTES) * 2 + invoiced,  # Cost and sale; an invoice takes the sales out.
        "invoices": invoiced,
    }

    assert {name: found.most_common(1)[0][1] for name, found in made.items() if found} == dict.fromkeys(wanted, 1)
    assert {name: found.total() for name, found in made.items() if found} == wanted
