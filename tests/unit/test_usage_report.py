"""Who still uses what is going away: usage and life of versions, side by side."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from gateway.lifecycle import Version
from gateway.lifecycle.document import BrownOut, Extension, FieldRetirement, Retirement
from gateway.lifecycle.reporting import UsedThing, next_change, things, urgency_of
from gateway.policy.consumers import Consumers
from gateway.policy.document import policies_of
from gateway.store.usage import Used, UsedPlace

V1, V2, STATUS = "process/billing_holds/v1", "process/billing_holds/v2", "process/status/v1"
ONE, OTHER = "https://one.example", "https://other.example"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SOON, LATER, LATEST = (NOW + timedelta(days=days) for days in (1, 10, 100))
STAYS = Version(
    owner="Finance Ops",
    contact="finance-ops@example.com",
    service_level="99.9 %",
    data_class="internal",
    review_on=date(2027, 1, 1),
    successor=V2,
)
GOES = msgspec.structs.replace(STAYS, deprecated_at=NOW, sunset_at=LATER)


def _used(
    client_id: str = "crm", operation: str = "place_hold", field: str = "", contract: str = V1, issuer: str = ONE
) -> Used:
    return Used(
        issuer=issuer,
        client_id=client_id,
        contract=contract,
        operation=operation,
        place=UsedPlace.request if field else UsedPlace.call,
        pointer=field,
        count=1,
        first_seen=NOW,
        last_seen=NOW,
    )


def _field(sunset_at: datetime | None = None, operation: str = "place_hold") -> FieldRetirement:
    return FieldRetirement(
        operation=operation,
        place="request",
        pointer="/note",
        deprecated_at=NOW,
        sunset_at=sunset_at,
        instead="Send `reason`.",
    )


def _thing(version: Version, used: Used) -> UsedThing:
    (thing,) = things({V1: version}, [used])
    return thing


def _sorted(versions: dict[str, Version], used: list[Used]) -> list[UsedThing]:
    return sorted(things(versions, used), key=lambda one: one.after)


def _end(version: Version, used: Used) -> tuple[datetime | None, datetime | None, str | None]:
    thing = _thing(version, used)
    return thing.deprecated_at, thing.sunset_at, thing.instead


def test_what_stays_has_no_end() -> None:
    assert _end(STAYS, _used()) == (None, None, None)
    assert not _thing(STAYS, _used()).goes


def test_a_version_ends_for_all_its_operations_and_names_its_successor() -> None:
    assert _end(GOES, _used()) == (NOW, LATER, V2)
    assert _thing(GOES, _used()).goes


def test_a_client_with_an_extension_ends_with_it() -> None:
    extended = msgspec.structs.replace(GOES, extensions=(Extension(client_id="crm", until=LATEST, reason="May"),))

    assert _end(extended, _used()) == (NOW, LATEST, V2)
    assert _end(extended, _used("shop")) == (NOW, LATER, V2)
    ends = {one.used.client_id: one.sunset_at for one in things({V1: extended}, [_used("shop"), _used(), _used("zoo")])}
    assert ends == {"shop": LATER, "crm": LATEST, "zoo": LATER}


def test_an_extension_may_be_of_one_issuers_client_alone() -> None:
    late = Extension(client_id="crm", issuer=ONE, until=LATEST, reason="May")
    extended = msgspec.structs.replace(GOES, extensions=(late,))

    ends = [_end(extended, _used(issuer=issuer))[1] for issuer in (ONE, OTHER)]

    assert ends == [LATEST, LATER]


def test_an_operation_may_end_before_its_version() -> None:
    sooner = {"place_hold": Retirement(deprecated_at=NOW, sunset_at=SOON, instead="Place it on the project.")}
    version = msgspec.structs.replace(GOES, operations=sooner)

    assert _end(version, _used()) == (NOW, SOON, "Place it on the project.")
    assert _end(version, _used(operation="list_holds")) == (NOW, LATER, V2)


def test_a_field_ends_by_itself_or_with_its_version() -> None:
    by_itself = msgspec.structs.replace(STAYS, fields=(_field(SOON),))
    with_it = msgspec.structs.replace(GOES, fields=(_field(),))
    before_it = msgspec.structs.replace(GOES, fields=(_field(SOON),))

    assert _end(by_itself, _used(field="/note")) == (NOW, SOON, "Send `reason`.")
    assert _end(by_itself, _used()) == (None, None, None), "The operation stays."
    assert _end(with_it, _used(field="/note")) == (NOW, LATER, "Send `reason`.")
    assert _end(before_it, _used(field="/note")) == (NOW, SOON, "Send `reason`.")


def test_an_extension_spares_a_field_too() -> None:
    extensions = (Extension(client_id="crm", until=LATEST, reason="May"),)
    version = msgspec.structs.replace(GOES, fields=(_field(SOON),), extensions=extensions)

    assert _end(version, _used(field="/note")) == (NOW, LATEST, "Send `reason`.")


def test_a_field_that_is_not_announced_any_more_stays() -> None:
    other = msgspec.structs.replace(STAYS, fields=(_field(SOON, operation="lift_hold"),))
    same_operation = msgspec.structs.replace(STAYS, fields=(_field(SOON),))

    assert _end(other, _used(field="/note")) == (None, None, None)
    assert _end(same_operation, _used(field="/other")) == (None, None, None)


def test_what_ends_first_stands_first_and_what_stays_last() -> None:
    versions = {
        V1: msgspec.structs.replace(GOES, fields=(_field(SOON),)),
        V2: STAYS,
        STATUS: msgspec.structs.replace(STAYS, deprecated_at=NOW),
    }
    used = [
        _used(contract=V2),
        _used(contract=STATUS),
        _used("shop"),
        _used("crm"),
        _used("crm", field="/note"),
    ]

    told = [(one.used.contract, one.used.client_id, one.used.pointer) for one in _sorted(versions, used)]

    assert told == [(V1, "crm", "/note"), (V1, "crm", ""), (V1, "shop", ""), (STATUS, "crm", ""), (V2, "crm", "")]


def test_instants_of_other_zones_are_sorted_as_instants() -> None:
    elsewhere = datetime.fromisoformat("2026-12-04T12:00:00+05:00")  # Two hours before LATER.
    versions = {V1: GOES, V2: msgspec.structs.replace(GOES, sunset_at=elsewhere)}

    assert [one.used.contract for one in _sorted(versions, [_used(), _used(contract=V2)])] == [V2, V1]


def test_a_version_is_as_urgent_as_what_of_it_ends_first() -> None:
    parts_go = msgspec.structs.replace(STAYS, fields=(_field(SOON),))
    begins = msgspec.structs.replace(STAYS, deprecated_at=NOW)
    versions = [GOES, STAYS, begins, parts_go]

    assert sorted(versions, key=urgency_of) == [parts_go, GOES, begins, STAYS]


@pytest.mark.parametrize(
    ("changed", "following"),
    [
        ({}, None),
        ({"deprecated_at": NOW}, None),
        ({"deprecated_at": SOON, "sunset_at": LATER}, SOON),
        ({"deprecated_at": NOW, "sunset_at": LATER}, LATER),
        ({"deprecated_at": NOW, "brown_outs": (BrownOut(since=SOON, until=LATER),), "sunset_at": LATEST}, SOON),
        ({"deprecated_at": NOW, "brown_outs": (BrownOut(since=NOW, until=SOON),), "sunset_at": LATEST}, SOON),
        ({"sunset_at": NOW, "extensions": (Extension(client_id="crm", until=LATER, reason="May"),)}, LATER),
        ({"operations": {"place_hold": Retirement(deprecated_at=NOW, sunset_at=SOON, instead="x")}}, SOON),
        ({"fields": (_field(LATER),)}, LATER),
        ({"fields": (_field(),)}, None),
    ],
)
def test_what_changes_next_is_told(changed: dict[str, object], following: datetime | None) -> None:
    assert next_change(msgspec.structs.replace(STAYS, **changed), NOW) == following


@pytest.mark.parametrize(
    ("client_id", "issuer", "owner"),
    [
        ("crm", "https://one.example", "Sales"),
        ("crm", "https://other.example", "Others"),
        ("partner-x", "https://one.example", "Partners"),
        ("nobody", "https://one.example", None),
    ],
)
def test_whoever_answers_for_a_client_is_found_by_its_issuer(client_id: str, issuer: str, owner: str | None) -> None:
    rows = [
        {"kind": "consumer", "client_id": "crm", "owner": "Sales", "issuers": ["https://one.example"]},
        {"kind": "consumer", "client_id": "partner-*", "owner": "Partners"},
        {"kind": "consumer", "client_id": "c*m", "owner": "Others"},
    ]

    found = Consumers(policies_of("05-consumers.yaml", rows)).find(client_id, issuer)

    assert (found.policy.owner if found else None) == owner
