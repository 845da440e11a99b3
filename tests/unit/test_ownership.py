"""Who answers for what: every thing has somebody, and what has nobody is named."""

import itertools
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml
from msgspec import convert, structs

import process_apis
from gateway import main, ownership
from gateway.composition.parts import CannotStart
from gateway.ownership import FILE, KINDS, Owned, Ownership, OwnershipError
from gateway.settings import Settings, load
from gateway.shipped import shipped
from gateway.store import business_events
from gateway.store.business_events import NewEvent, UndeclaredEvent
from gateway.store.database import Store, create_engine
from process_apis.ledger.mappings import FILES
from tests.fakes.clock import Clock

PROMISED = {"service_level": "weekdays", "data_class": "internal", "review_on": "2027-06-30"}
OWNED = PROMISED | {"owner": "finance-systems"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "tiebeam.yaml").write_text((shipped("sample") / "tiebeam.yaml").read_text())
    return load(str(tmp_path / "tiebeam.yaml"), {"TRYTON_PASSWORD": "none"})


def written(**sections: dict[str, dict[str, str]]) -> Ownership:
    return convert(sections, Ownership, strict=False)


def test_sample_has_an_owner_for_all_that_can_be_told_and_mapped(settings: Settings) -> None:
    settings.path(FILE).write_text((shipped("sample") / FILE).read_text())
    things = {"connections": settings.connections, "mappings": FILES, "event_types": process_apis.EVENT_TYPES}

    found = ownership.owned(ownership.load(settings), settings, things)  # type: ignore[arg-type]  # The keys are kinds.

    assert len(found) == len(settings.connections) + len(FILES) + len(process_apis.EVENT_TYPES)
    assert {one.contact for one in found} == {owner.contact for owner in settings.owners.values()}
    assert {one.kind for one in found} < {*KINDS}


def test_everything_that_nobody_answers_for_is_named(settings: Settings) -> None:
    of_file = written(schedules={"known": OWNED}, connections={"books": PROMISED})

    with pytest.raises(OwnershipError) as refused:
        ownership.owned(of_file, settings, {"schedules": ["known", "other"], "connections": ["books", "delivery"]})

    assert str(refused.value).splitlines() == [
        "ownership.yaml: schedules has no entry for other. Say there who answers for it.",
        "ownership.yaml: connections has no entry for delivery. Say there who answers for it.",
    ]


def test_owner_whom_the_settings_do_not_know_is_named(settings: Settings) -> None:
    of_file = written(mappings={"*": OWNED | {"owner": "nobody"}})

    with pytest.raises(OwnershipError, match=r"nobody, who answers for items.yaml, is not one of the settings' owners"):
        ownership.owned(of_file, settings, {"mappings": ["items.yaml"]})


def test_owner_of_a_connection_is_that_of_the_settings(settings: Settings) -> None:
    (found,) = ownership.owned(written(connections={"*": PROMISED}), settings, {"connections": ["delivery"]})

    assert (found.owner, found.contact) == ("Project Operations", "project-operations@example.com")


def test_closest_entry_holds_whichever_stands_first(settings: Settings) -> None:
    near, far = OWNED | {"service_level": "near"}, OWNED | {"service_level": "far"}
    for entries in ({"a.*": near, "*": far}, {"*": far, "a.*": near}, {"a.b": near, "a.*": far}):
        (found,) = ownership.owned(written(schedules=entries), settings, {"schedules": ["a.b"]})

        assert found.service_level == "near"


@pytest.mark.parametrize("left_out", sorted(OWNED))
def test_entry_that_leaves_something_out_is_refused_with_its_place(settings: Settings, left_out: str) -> None:
    entry = {name: value for name, value in OWNED.items() if name != left_out}
    settings.path(FILE).write_text(yaml.safe_dump({"schedules": {"*": entry}}))

    with pytest.raises(OwnershipError, match=rf"ownership.yaml: .*`{left_out}`.*schedules"):
        ownership.load(settings)


def test_connection_may_not_name_another_owner_than_the_settings_do(settings: Settings) -> None:
    settings.path(FILE).write_text(yaml.safe_dump({"connections": {"books": OWNED}}))

    with pytest.raises(OwnershipError, match="unknown field `owner`"):
        ownership.load(settings)


def test_missing_file_says_where_one_comes_from(settings: Settings) -> None:
    with pytest.raises(OwnershipError, match="tiebeam init"):
        ownership.load(settings)


def test_review_is_overdue_from_the_day_after(settings: Settings) -> None:
    entry = structs.replace(convert(OWNED, Owned), review_on=date(2026, 11, 25))
    (thing,) = ownership.owned(Ownership(schedules={"*": entry}), settings, {"schedules": ["x"]})

    assert [thing.overdue(date(2026, 11, day)) for day in (24, 25, 26)] == [False, False, True]


async def test_event_of_a_type_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    store = Store(create_engine(f"sqlite:///{tmp_path}/events.sqlite"), Clock(), frozenset({"tiebeam.known.v1"}))
    new = NewEvent(type="tiebeam.unknown.v1", subject="prj_1", data={})

    async with store.begin() as connection:
        with pytest.raises(UndeclaredEvent, match=r"tiebeam\.unknown\.v1"):
            await business_events.append(connection, store, new)
    await store.close()


@pytest.fixture
def installation(settings: Settings) -> Settings:
    """Return the settings of a whole installation, as `tiebeam init` writes it."""
    shutil.copytree(shipped("sample"), settings.path(""), dirs_exist_ok=True)
    shutil.copytree(shipped("policies"), settings.path("policies"), dirs_exist_ok=True)
    return settings


def test_missing_file_stops_the_start(installation: Settings) -> None:
    installation.path(FILE).unlink()

    with pytest.raises(CannotStart, match=FILE):
        main.read(installation)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n" for last, name in itertools.pairwise("abcdefg")
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"schedules: [", "while parsing a flow node"),
        (b"- connections", "Expected `object`, got `array`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"teams: {}", "unknown field `teams`"),
        (b"mappings: {x: {review_on: 2027-02-30}}", "day is out of range"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
        (BOMB.encode(), "holds more than 100000 values"),
        (b"schedules: &own {x: *own}", "nests deeper than 40 levels"),
    ],
    ids=["no YAML", "a list", "an empty list", "an unknown key", "no day", "no text", "a bomb", "itself"],
)
def test_file_that_cannot_be_read_stops_the_start_in_words(installation: Settings, text: bytes, said: str) -> None:
    installation.path(FILE).write_bytes(text)

    with pytest.raises(CannotStart, match=rf"(?s)^ownership\.yaml: .*{re.escape(said)}"):
        main.read(installation)
