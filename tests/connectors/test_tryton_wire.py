"""Tryton's values and marks: what is written is read back, whatever it holds."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from system_apis.connectors.tryton import marks
from system_apis.connectors.tryton.erp.names import matches, pattern
from system_apis.connectors.tryton.wire import Flag, decoded, encoded, escaped

KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
LINES = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(str.strip)


class Values(Struct):
    """One of each."""

    day: date
    at: datetime
    effort: timedelta
    price: Decimal
    active: Flag


class Sent(Struct):
    """What we write."""

    day: date
    effort: timedelta


def test_typed_values_are_read() -> None:
    day = {"__class__": "date", "year": 9999, "month": 12, "day": 31}
    at = {"__class__": "datetime", "year": 2026, "month": 11, "day": 24, "hour": 9, "minute": 5, "second": 1}
    effort, price = {"__class__": "timedelta", "seconds": 57600.0}, {"__class__": "Decimal", "decimal": "95.0000"}
    content = json.dumps({"day": day, "at": {**at, "microsecond": 7}, "effort": effort, "price": price, "active": 1})

    values = decoded(content.encode(), Values)

    assert (values.day, values.effort, values.price) == (date.max, timedelta(hours=16), Decimal(95))
    assert values.at == datetime(2026, 11, 24, 9, 5, 1, 7, tzinfo=UTC)
    assert bool(values.active) is True


def test_class_that_nobody_knows_stays_a_document() -> None:
    assert decoded(b'{"__class__": "bytes", "base64": ""}', dict[str, str]) == {"__class__": "bytes", "base64": ""}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_amount_that_is_sent_is_read_back_exactly(amount: Decimal) -> None:
    (sent,) = json.loads(encoded("model.x.create", [amount]))["params"]

    assert decoded(json.dumps(sent).encode(), Decimal) == amount


@given(st.dates(), st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40000)))
def test_what_is_sent_is_read_back(day: date, effort: timedelta) -> None:
    sent = json.loads(encoded("model.x.create", [{"day": day, "effort": effort}]))

    written = json.dumps(sent["params"][0])
    read = decoded(written.encode(), Sent)

    assert read.day == day
    assert abs(read.effort - effort) < timedelta(milliseconds=1)
    assert set(sent) == {"id", "method", "params"}


def test_moment_is_sent_in_utc_to_the_microsecond() -> None:
    madrid = datetime(2026, 11, 25, 17, 30, 0, 7, tzinfo=timezone(timedelta(hours=1)))

    (sent,) = json.loads(encoded("model.x.search", [madrid]))["params"]

    assert (sent["hour"], sent["microsecond"]) == (16, 7)
    assert decoded(json.dumps(sent).encode(), datetime) == madrid


@pytest.mark.parametrize("value", [b"x", object()])
def test_what_is_not_sent_is_a_mistake_of_ours(value: object) -> None:
    with pytest.raises(TypeError):
        encoded("model.x.create", [value])


@given(st.text())
def test_escaped_text_has_no_wildcard_left(text: str) -> None:
    rest = escaped(text).replace("\\\\", "").replace("\\%", "").replace("\\_", "")

    assert not set("%_\\") & set(rest)


@given(LINES)
def test_name_is_a_part_of_itself_in_any_case(name: str) -> None:
    assert matches(f"The {name} Company", name)
    assert pattern(name).startswith("%")
    assert pattern(name).endswith("%")


def test_name_matches_what_case_makes_of_it() -> None:
    assert matches("ÜNÏCÖDÉ Straße", "ünïcödé strasse")
    assert not matches(None, "x")
    assert pattern("Äx%") == "%_x\\%%"


@given(KEYS, LINES, st.text(), st.text())
def test_marks_are_found_among_what_people_write(key: str, value: str, above: str, below: str) -> None:
    block = marks.written(key=key, start=None, manager=value)
    around = "\n".join(line for line in above.replace("\r", "").split("\n") if not line.startswith("key: "))

    read = marks.read(f"{around}\n{block}\n\n{below}")

    assert read == {"key": key, "manager": " ".join(value.split())}


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\u2028", "\x85", "\n\n"])
def test_name_that_breaks_lines_makes_no_other_mark(line_break: str) -> None:
    text = marks.written(key="prj_1", customer=f"7 Alpha{line_break}key: prj_2", end="2027-05-31")

    assert marks.key_of(text) == "prj_1"
    assert marks.read(text)["end"] == "2027-05-31"


@pytest.mark.parametrize("text", [None, "", "\n", "no marks here", "monkey: no", "a key: no"])
def test_text_without_marks_has_none(text: str | None) -> None:
    assert marks.read(text) == {}
    assert marks.key_of(text) is None


def test_line_that_is_no_mark_is_passed_over() -> None:
    assert marks.read("key: prj_1\nsome words\nend: 2027-01-01\n\nstart: 2026-01-01") == {
        "key": "prj_1",
        "end": "2027-01-01",
    }
