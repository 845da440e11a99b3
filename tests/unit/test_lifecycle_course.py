"""What a version's dates mean for a call: the very syntax of the fields, and that dates only ever take more away."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caller import Client
from gateway.lifecycle import Course, Stage, Version, course_of, stage_of
from gateway.lifecycle.document import BrownOut, Extension, FieldRetirement, Retirement
from openapi.common.types import Code

SOME: Final = datetime(2026, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
CONTRACT: Final = "process/billing_holds/v1"
CRM, LATE = Client("https://one.example", "crm"), Client("https://one.example", "late")
IMF_FIXDATE: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    r"[0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] GMT"
)
"""RFC 9110 §5.6.7."""
DATE: Final = re.compile(r"@(-?[0-9]{1,15})")
"""RFC 9651 §3.3.7."""
LINK: Final = re.compile(r'<(/[a-z0-9/_#-]+)>; rel="(successor-version|deprecation|sunset)"(; type="text/html")?')

moments = st.integers(0, 2_000).map(lambda hours: SOME + timedelta(hours=hours))
dates = st.tuples(moments, moments).map(sorted)


def version(**fields: Any) -> Version:  # noqa: ANN401 - fields of a version.
    """Return a version with these dates."""
    owned: dict[str, Any] = {"owner": "PMO", "contact": "pmo@example.com", "service_level": "99.9 %"}
    return Version(**owned, data_class="internal", review_on=date(2027, 1, 1), **fields)


@st.composite
def versions(draw: st.DrawFn) -> Version:
    """Return a version whose dates fit each other."""
    deprecated_at, sunset_at = draw(dates)
    has_end = draw(st.booleans())
    outs = draw(st.lists(dates, max_size=3)) if has_end else []
    own_begin, own_end = draw(dates)
    own = Retirement(deprecated_at=own_begin, sunset_at=draw(st.sampled_from([None, own_end])), instead="Another.")
    later = sunset_at + timedelta(hours=draw(st.integers(1, 500)))
    return version(
        deprecated_at=deprecated_at,
        sunset_at=sunset_at if has_end else None,
        brown_outs=tuple(BrownOut(since=max(begin, deprecated_at), until=min(end, sunset_at)) for begin, end in outs),
        extensions=(Extension(client_id="late", until=later, reason="x"),) if has_end and draw(st.booleans()) else (),
        operations={"list_holds": own} if draw(st.booleans()) else {},
    )


def told(course: Course, now: datetime = SOME) -> dict[str, str]:
    """Return the fields, each of which stands there once."""
    fields = {name.decode(): value.decode() for name, value in course.told(now)}
    assert len(fields) == len(course.told(now))
    return fields


@given(versions(), st.lists(moments, min_size=2, max_size=20))
def test_stages_only_go_on_but_for_brown_outs(one: Version, when: list[datetime]) -> None:
    order = [Stage.active, Stage.announced, Stage.deprecated, Stage.sunset]
    stages = {moment: stage_of(one, moment) for moment in sorted(when)}
    lasting = [order.index(stage) for stage in stages.values() if stage is not Stage.brown_out]
    off = [moment for moment, stage in stages.items() if stage is Stage.brown_out]

    assert lasting == sorted(lasting)
    assert all(one.deprecated_at <= moment < one.sunset_at for moment in off if one.deprecated_at and one.sunset_at)


@given(versions(), st.sampled_from([CRM, LATE, None]), moments)
def test_refusal_by_the_clock_is_what_the_stage_says(one: Version, who: Client | None, now: datetime) -> None:
    course = course_of({CONTRACT: one}, f"{CONTRACT}:get_hold", None, who)
    assert course
    stage, refused = stage_of(one, now), course.refusal(now)
    spared = bool(one.extensions) and who == LATE and now < one.extensions[0].until

    if spared or stage not in {Stage.sunset, Stage.brown_out}:
        assert refused is None
    else:
        assert refused
        assert refused.code is (Code.version_sunset if stage is Stage.sunset else Code.version_brown_out)


@given(versions(), moments)
def test_who_waits_as_a_brown_out_says_meets_no_other(one: Version, now: datetime) -> None:
    course = course_of({CONTRACT: one}, f"{CONTRACT}:get_hold", None, CRM)
    refused = course.refusal(now) if course else None
    if course is None or refused is None or refused.code is not Code.version_brown_out:
        return
    assert refused.retry_after_s
    later = course.refusal(now + timedelta(seconds=refused.retry_after_s))

    assert later is None or later.code is Code.version_sunset


@pytest.mark.parametrize("second", [(8, 10), (9, 10), (7, 10)], ids=["overlaps", "follows", "surrounds"])
def test_brown_outs_that_meet_are_one(second: tuple[int, int]) -> None:
    outs = [(8, 9), second, (20, 21)]
    times = tuple(BrownOut(since=SOME + begin * HOUR, until=SOME + end * HOUR) for begin, end in outs)
    one = version(deprecated_at=SOME, sunset_at=SOME + 30 * HOUR, brown_outs=times)
    course = course_of({CONTRACT: one}, f"{CONTRACT}:get_hold", None, CRM)
    assert course
    refused = course.refusal(SOME + 8 * HOUR)

    assert refused
    assert refused.retry_after_s == 2 * HOUR.total_seconds()
    assert "is off until 2026-01-01T10:00:00Z" in refused.detail
    assert course.refusal(SOME + 10 * HOUR) is None


@given(versions(), st.sampled_from([CRM, LATE]), st.lists(moments, min_size=2, max_size=20))
def test_who_was_refused_for_the_sunset_is_refused_ever_after(one: Version, who: Client, when: list[datetime]) -> None:
    course = course_of({CONTRACT: one}, f"{CONTRACT}:list_holds", None, who)
    assert course
    refusals = [course.refusal(moment) for moment in sorted(when)]
    ended = [refused is not None and refused.code is Code.version_sunset for refused in refusals]

    assert ended == sorted(ended)


@given(versions(), st.sampled_from([CRM, LATE, None]), st.sampled_from(["list_holds", "get_hold"]))
def test_sunset_is_never_told_earlier_than_deprecation_and_both_are_well_formed(
    one: Version, who: Client | None, operation: str
) -> None:
    course = course_of({CONTRACT: one}, f"{CONTRACT}:{operation}", None, who)
    assert course
    fields = told(course)
    deprecation = DATE.fullmatch(fields["deprecation"])

    assert deprecation
    if "sunset" in fields:
        assert IMF_FIXDATE.fullmatch(fields["sunset"])
        assert parsedate_to_datetime(fields["sunset"]).timestamp() >= int(deprecation[1])
        refused = course.refusal(parsedate_to_datetime(fields["sunset"]))
        assert refused
        assert refused.code is Code.version_sunset
    links = [LINK.fullmatch(link) for link in fields["link"].split(", ")]
    assert [link and link[2] for link in links] == ["deprecation", *(["sunset"] if "sunset" in fields else [])]


def test_earliest_of_several_dates_is_told() -> None:
    own = Retirement(
        deprecated_at=SOME + timedelta(days=9), sunset_at=SOME + timedelta(days=10), instead="Ask for one."
    )
    one = version(deprecated_at=SOME, sunset_at=SOME + timedelta(days=20), operations={"list_holds": own})

    fields = told(Course(CONTRACT, None, one, operation_id="list_holds"))

    assert (fields["deprecation"], fields["sunset"]) == ("@1767225600", "Sun, 11 Jan 2026 00:00:00 GMT")


@pytest.mark.parametrize(("days", "what"), [(10, f"{CONTRACT}:list_holds"), (30, CONTRACT)])
def test_refusal_names_what_has_ended_first(days: int, what: str) -> None:
    own = Retirement(deprecated_at=SOME, sunset_at=SOME + timedelta(days=days), instead="Ask for one.")
    one = version(deprecated_at=SOME, sunset_at=SOME + timedelta(days=20), operations={"list_holds": own})

    refused = Course(CONTRACT, None, one, operation_id="list_holds").refusal(SOME + timedelta(days=40))

    assert refused
    assert refused.detail.startswith(f"{what} ended at ")


def test_instants_of_other_zones_are_told_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    one = version(deprecated_at=datetime(2027, 1, 1, tzinfo=zone), sunset_at=datetime(2027, 3, 31, 22, tzinfo=zone))

    course = Course(CONTRACT, None, one)
    refused = course.refusal(datetime(2027, 3, 31, 20, tzinfo=UTC))

    assert told(course)["sunset"] == "Wed, 31 Mar 2027 20:00:00 GMT"
    assert refused
    assert "ended at 2027-03-31T20:00:00Z. Nothing takes its place." in refused.detail


def test_successor_of_a_system_contract_is_the_one_of_the_same_connection() -> None:
    one = version(deprecated_at=SOME, successor="system/erp/v2")

    links = told(Course("system/erp/v1", "books", one))["link"].split(", ")

    assert links[0] == '</system/books/erp/v2>; rel="successor-version"'
    assert links[1] == '</docs/system/books/erp/v1#lifecycle>; rel="deprecation"; type="text/html"'


@pytest.mark.parametrize("operation", ["platform/metrics:get_metrics", f"{CONTRACT}:list_holds", "unmatched"])
def test_nothing_goes_where_nothing_is_said(operation: str) -> None:
    assert course_of({CONTRACT: version(successor="process/billing_holds/v2")}, operation, None, CRM) is None


def test_field_alone_tells_nothing_until_it_is_used() -> None:
    field = FieldRetirement(
        operation="place_hold", place="request", pointer="/note", deprecated_at=SOME, instead="Another."
    )
    one = {CONTRACT: version(fields=(field,))}

    course = course_of(one, f"{CONTRACT}:place_hold", None, CRM)

    assert course
    assert (course.goes, course.told(SOME)) == (False, ())
    assert course.refusal_of([field], SOME + timedelta(days=9_999)) is None, "It has no sunset."
    assert course_of(one, f"{CONTRACT}:get_hold", None, CRM) is None


def test_extension_lifts_the_end_of_fields_too() -> None:
    ended = FieldRetirement(
        operation="place_hold", place="request", pointer="/note", deprecated_at=SOME, sunset_at=SOME, instead="Another."
    )
    late = Extension(client_id="late", until=SOME + timedelta(days=2), reason="x")
    one = version(deprecated_at=SOME, sunset_at=SOME + timedelta(days=1), fields=(ended,), extensions=(late,))
    courses = [Course(CONTRACT, None, one, operation_id="place_hold", client=who) for who in (LATE, CRM)]

    refusals = [course.refusal_of([ended], SOME) for course in courses]

    assert refusals[0] is None
    assert refusals[1]
    assert [violation.pointer for violation in refusals[1].violations] == ["#/note"]
