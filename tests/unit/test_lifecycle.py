"""Which versions may be served: those that somebody answers for, as they were released."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from gateway.contract import Document
from gateway.contract.document import text_of
from gateway.lifecycle import LifecycleError, Version, check, load
from gateway.portal.files import contracts

ACTIVE = Version(
    owner="PMO", contact="pmo@example.com", service_level="99.9 %", data_class="internal", review_on=date(2027, 1, 1)
)
OWNED = "owner: PMO, contact: pmo@example.com, service_level: 99.9 %, data_class: internal, review_on: 2027-01-01"
DIGEST = Document("process/status/v1").digest
OTHER = "sha256:" + "0" * 64


def test_every_contract_has_its_entry_and_every_entry_its_contract() -> None:
    versions = [path.removesuffix(".yaml") for path in contracts() if Path(path).stem.startswith("v")]

    assert sorted(load()) == sorted(versions)


def test_contracts_that_are_served_are_as_they_were_released() -> None:
    versions = load()

    check(versions, {contract: Document(contract).digest for contract in versions})


@pytest.mark.parametrize("released", [None, DIGEST])
def test_version_as_released_or_not_yet_released_is_served(released: str | None) -> None:
    check({"process/status/v1": replace(ACTIVE, released=released)}, {"process/status/v1": DIGEST})


@pytest.mark.parametrize(
    ("versions", "fault"),
    [
        ({}, "process/status/v1 has no entry in openapi/lifecycle.yaml: name its owner."),
        ({"process/status/v1": replace(ACTIVE, released=OTHER)}, "process/status/v1 is another now."),
    ],
)
def test_version_that_must_not_be_served_is_named(versions: dict[str, Version], fault: str) -> None:
    with pytest.raises(LifecycleError) as error:
        check(versions, {"process/status/v1": DIGEST}, lambda contract: f"{contract} is another now.")

    assert fault in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "process/status/v1: {owner: PMO}",
        f"process/status/v1: {{{OWNED}, status: active}}",
        f"process/status: {{{OWNED}}}",
        f"process/status/v1: {{{OWNED}, released: md5}}",
        f"process/status/v1: {{{OWNED}, sunset_at: 2027-03-31}}",
        f"process/status/v1: {{{OWNED}, sunset_at: 2027-03-31T22:00:00}}",
        "process/status/v1: [",
        "[]",
        "process/status/v1: &own {x: *own}",
    ],
)
def test_list_that_says_something_else_is_refused(text: str) -> None:
    with pytest.raises(LifecycleError, match=r"openapi/lifecycle\.yaml"):
        load(text)


def test_instants_are_of_utc_where_the_file_says_so() -> None:
    text = f"process/status/v1: {{{OWNED}, deprecated_at: 2026-09-30T00:00:00Z, sunset_at: 2027-03-31T22:00:00+02:00}}"

    version = load(text)["process/status/v1"]

    assert version.sunset_at == datetime(2027, 3, 31, 20, tzinfo=UTC)
    assert version.deprecated_at == datetime(2026, 9, 30, tzinfo=UTC)


def test_digest_changes_with_what_a_contract_refers_to_and_not_with_its_layout() -> None:
    status = Document("process/status/v1")
    root = yaml.safe_load(text_of(status.file))
    reordered = Document("process/status/v1", dict(reversed(root.items())))
    changed = Document("process/status/v1", root | {"info": root["info"] | {"title": "Other"}})

    assert reordered.digest == status.digest
    assert changed.digest != status.digest
