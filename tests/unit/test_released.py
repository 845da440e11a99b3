"""Releases of a contract: frozen once, guarded at the start, compared, and told as a changelog."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from msgspec.structs import replace

from gateway import commands_contracts
from gateway.cli import main
from gateway.composition.parts import CannotStart
from gateway.contract import Api, ContractError, Document, check_released
from gateway.contract.compatibility import Kind
from gateway.contract.freezing import freeze, noted_in
from gateway.contract.released import changelog, newest, numbers_of, snapshots
from gateway.lifecycle import LifecycleError, load

CONTRACT, NEXT = "process/stops/v1", "process/stops/v2"
ENTRY = """\
  owner: Finance Ops  # since the spring
  contact: finance-ops@example.com
  service_level: 99.9 %
  data_class: internal
  review_on: 2027-11-30
"""
LIFECYCLE = f"# Every version.\n\n{CONTRACT}:\n{ENTRY}\n# The next one.\n{NEXT}:\n{ENTRY}"
DAY = date(2026, 11, 25)
STOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Stops", "version": "1.0.0"},
    "paths": {
        "/stops": {
            "post": {
                "operationId": "place_stop",
                "parameters": [],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewStop"}}}},
                "responses": {"204": {"description": "Placed."}},
            }
        }
    },
    "components": {
        "schemas": {
            "NewStop": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"note": {"type": "string", "maxLength": 40}, "on": {"type": "string"}},
            }
        }
    },
}


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    """A checkout with two contracts."""
    (tmp_path / "pyproject.toml").touch()
    folder = tmp_path / "openapi"
    (folder / "process/stops").mkdir(parents=True)
    (folder / "lifecycle.yaml").write_text(LIFECYCLE)
    write(folder)
    write(folder, NEXT, version="2.0.0")
    return folder


def write(openapi: Path, contract: str = CONTRACT, *, version: str = "1.0.0", **note: Any) -> None:  # noqa: ANN401
    document = yaml.safe_load(yaml.safe_dump(STOP))
    document["info"]["version"] = version
    document["components"]["schemas"]["NewStop"]["properties"]["note"] |= note
    (openapi / f"{contract}.yaml").write_text(yaml.safe_dump(document))


def released_in(openapi: Path) -> str | None:
    return load((openapi / "lifecycle.yaml").read_text())[CONTRACT].released


def start(openapi: Path) -> None:
    """Do what the start does with the contract as it stands."""
    document = Document(CONTRACT, yaml.safe_load((openapi / f"{CONTRACT}.yaml").read_text()))
    api = Api(contract=CONTRACT, connection=None, base="/process/stops/v1", document=document, operations=())
    check_released(load((openapi / "lifecycle.yaml").read_text()), [api], openapi)


def test_contract_is_frozen_with_its_day_and_digest_and_comments_stay(openapi: Path) -> None:
    assert freeze(CONTRACT, DAY, openapi)

    frozen = newest(CONTRACT, openapi)
    assert frozen
    assert (frozen.version, frozen.released_on, frozen.digest) == ("1.0.0", DAY, released_in(openapi))
    text = (openapi / "lifecycle.yaml").read_text()
    assert re.sub(r"  released: .*\n", "", text) == LIFECYCLE
    assert text.index("released") < text.index("# The next one.")


def test_freezing_twice_changes_nothing(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    before = {file: file.read_text() for file in openapi.rglob("*.*")}

    assert not freeze(CONTRACT, date(2026, 12, 1), openapi)
    assert {file: file.read_text() for file in openapi.rglob("*.*")} == before


def test_digest_that_is_lost_is_noted_again(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    (openapi / "lifecycle.yaml").write_text(LIFECYCLE)

    assert not freeze(CONTRACT, DAY, openapi)
    assert released_in(openapi)


def test_contract_that_has_grown_is_released_beside_the_release_before(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version="1.10.0", maxLength=80)
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version="1.11.0", maxLength=90)
    freeze(CONTRACT, DAY, openapi)

    assert [each.version for each in snapshots(CONTRACT, openapi)] == ["1.0.0", "1.10.0", "1.11.0"]
    assert (openapi / "lifecycle.yaml").read_text().count("released:") == 1
    start(openapi)


@pytest.mark.parametrize(
    ("version", "note", "fault"),
    [
        (
            "1.1.0",
            {"maxLength": 20},
            "POST /stops: `note` in the request's body takes fewer values: `maxLength` 40 → 20",
        ),
        ("1.0.0", {"maxLength": 80}, "its info.version is 1.0.0: raise it"),
        ("1.0.0", {"description": "Why."}, "its info.version is 1.0.0: raise it"),
        ("2.0.0", {}, "its info.version is 2.0.0; write 1, a minor and a patch"),
        ("1.1", {}, "its info.version is 1.1; write 1, a minor and a patch"),
    ],
)
def test_contract_that_must_not_be_released_is_refused(
    openapi: Path, version: str, note: dict[str, Any], fault: str
) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version=version, **note)

    with pytest.raises(ContractError, match=re.escape(fault)):
        freeze(CONTRACT, DAY, openapi)

    assert len(snapshots(CONTRACT, openapi)) == 1


def test_contract_without_an_entry_is_refused() -> None:
    with pytest.raises(LifecycleError, match="process/other/v1: name its owner"):
        noted_in(LIFECYCLE, "process/other/v1", "sha256:0")


def test_what_nobody_released_is_served_whatever_it_is(openapi: Path) -> None:
    write(openapi, version="1.5.0", maxLength=1)

    start(openapi)


def test_breaking_change_stops_the_start_and_each_is_named(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version="1.1.0", maxLength=20, pattern="^[a-z]+$")

    with pytest.raises(LifecycleError) as stopped:
        start(openapi)

    assert str(stopped.value).splitlines() == [
        "process/stops/v1 would break callers of its release 1.0.0:",
        "  - POST /stops: `note` in the request's body takes fewer values: `maxLength` 40 → 20.",
        "  - POST /stops: `note` in the request's body takes fewer values: `pattern` none → ^[a-z]+$.",
        "  Take that back, or open the next version of the contract for it.",
    ]


def test_growth_that_is_not_released_stops_the_start_and_says_how_it_is(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, maxLength=80)

    with pytest.raises(LifecycleError, match=r"raise its info\.version, then run `tiebeam freeze process/stops/v1`"):
        start(openapi)


def test_digest_that_somebody_wrote_by_hand_stops_the_start(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, maxLength=20)
    digest = Document(CONTRACT, yaml.safe_load((openapi / f"{CONTRACT}.yaml").read_text())).digest
    lifecycle = openapi / "lifecycle.yaml"
    lifecycle.write_text(noted_in(lifecycle.read_text(), CONTRACT, digest))

    with pytest.raises(LifecycleError, match="digests are not written by hand"):
        start(openapi)


def test_release_whose_document_is_lost_stops_the_start(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    (openapi / "released" / CONTRACT / "1.0.0.json").unlink()
    write(openapi, maxLength=80)

    with pytest.raises(LifecycleError, match="openapi/released/process/stops/v1 has no such document: put it back"):
        start(openapi)


def test_release_whose_document_is_lost_is_not_released_anew_as_something_else(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    (openapi / "released" / CONTRACT / "1.0.0.json").unlink()
    write(openapi, version="1.1.0", maxLength=20)

    with pytest.raises(ContractError, match="put it back"):
        freeze(CONTRACT, DAY, openapi)

    write(openapi)
    assert freeze(CONTRACT, DAY, openapi), "It is what it was."


def test_changelog_tells_each_release_and_what_is_not_released_yet(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version="1.1.0", maxLength=80)
    freeze(CONTRACT, date(2026, 12, 1), openapi)
    write(openapi, version="1.2.0", maxLength=80, description="Why.")

    told = [
        (entry.version, entry.released_on, entry.since, [change.kind for change in entry.changes])
        for entry in changelog(CONTRACT, openapi)
    ]

    assert told == [
        ("1.2.0", None, "1.1.0", [Kind.request_words_changed]),
        ("1.1.0", date(2026, 12, 1), "1.0.0", [Kind.request_rule_widened]),
        ("1.0.0", DAY, None, []),
    ]


@pytest.mark.parametrize("is_released", [True, False])
def test_changelog_of_the_next_version_begins_with_what_it_breaks(openapi: Path, *, is_released: bool) -> None:
    if is_released:
        freeze(CONTRACT, DAY, openapi)
    write(openapi, NEXT, version="2.0.0", maxLength=20)

    (entry,) = changelog(NEXT, openapi)

    assert (entry.version, entry.since) == ("2.0.0", "process/stops/v1 1.0.0")
    assert [change.breaking for change in entry.changes] == [True]


def test_changelog_in_markdown_has_what_breaks_apart(openapi: Path) -> None:
    write(openapi, NEXT, version="2.0.0", maxLength=20, minLength=0, description="Why.")

    assert list(commands_contracts.markdown_of_changelog(NEXT, openapi)) == [
        "# process/stops/v2",
        "",
        "## 2.0.0 — not released yet",
        "",
        "Compared with process/stops/v1 1.0.0:",
        "",
        "### Breaking",
        "",
        "- `POST /stops`: `note` in the request's body takes fewer values: `maxLength` 40 → 20.",
        "",
        "Descriptions and examples read differently in places.",
    ]


def test_releases_that_were_edited_afterwards_are_seen_from_one_to_the_next(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version="1.1.0", maxLength=80)
    freeze(CONTRACT, DAY, openapi)
    file = openapi / "released" / CONTRACT / "1.1.0.json"
    file.write_text(file.read_text().replace('"maxLength": 80', '"maxLength": 8'))

    found = commands_contracts.all_since_release(openapi)

    assert [each.title for each in found] == ["process/stops/v1 1.0.0 → 1.1.0", "process/stops/v1 1.1.0 → as it stands"]
    assert commands_contracts.is_breaking(found[:1])
    assert not commands_contracts.is_breaking(found[1:])


def retired(openapi: Path) -> None:
    """Take the contract of version 1 away, which has been released and has ended."""
    freeze(CONTRACT, DAY, openapi)
    (openapi / f"{CONTRACT}.yaml").unlink()
    lifecycle = openapi / "lifecycle.yaml"
    ended = "  deprecated_at: 2026-11-25T00:00:00Z\n  sunset_at: 2027-01-01T00:00:00Z\n  owner"
    lifecycle.write_text(lifecycle.read_text().replace("  owner", ended, 1))


def test_version_that_has_ended_keeps_its_entry_when_its_contract_goes(openapi: Path) -> None:
    retired(openapi)

    compared = commands_contracts.all_since_release(openapi, lambda: datetime(2027, 1, 1, tzinfo=UTC))
    frozen = list(commands_contracts.freeze_all([], DAY, openapi))

    assert compared == []
    assert frozen == [f"{NEXT} 2.0.0 is released."]
    assert {each.contract for each in commands_contracts.lint([], openapi)} <= {NEXT}
    assert changelog(NEXT, openapi)[0].since == f"{CONTRACT} 1.0.0"


def test_contract_that_is_gone_before_its_sunset_breaks_its_callers(openapi: Path) -> None:
    retired(openapi)

    found = commands_contracts.all_since_release(openapi, lambda: datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))

    assert commands_contracts.is_breaking(found)
    assert [change.words for change in found[0].changes] == ["It is gone."]


def test_contracts_are_released_in_a_checkout_only(openapi: Path) -> None:
    (openapi.parent / "pyproject.toml").unlink()

    with pytest.raises(CannotStart, match="in a checkout of the source"):
        list(commands_contracts.freeze_all([], DAY, openapi))


def test_all_contracts_are_released_at_once_and_again(openapi: Path) -> None:
    first = list(commands_contracts.freeze_all([], DAY, openapi))
    again = list(commands_contracts.freeze_all([NEXT], DAY, openapi))

    assert first == ["process/stops/v1 1.0.0 is released.", "process/stops/v2 2.0.0 is released."]
    assert again == ["process/stops/v2 2.0.0 is as it was released."]


def test_release_that_is_refused_is_said_in_words(openapi: Path) -> None:
    write(openapi, version="3")

    with pytest.raises(CannotStart, match=r"its info\.version is 3"):
        list(commands_contracts.freeze_all([CONTRACT], DAY, openapi))


def test_contract_is_named_as_it_stands_as_it_was_released_or_as_a_file(openapi: Path) -> None:
    freeze(CONTRACT, DAY, openapi)
    write(openapi, version="1.1.0", maxLength=20)
    source, frozen = openapi / f"{CONTRACT}.yaml", openapi / "released" / CONTRACT / "1.0.0.json"

    for old, new in ((f"{CONTRACT}@1.0.0", CONTRACT), (str(frozen), str(source))):
        assert commands_contracts.is_breaking([commands_contracts.difference(old, new, openapi)])
        assert not commands_contracts.is_breaking([commands_contracts.difference(new, old, openapi)])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("process/other/v1", "There is no contract process/other/v1"),
        (f"{CONTRACT}@9.0.0", "has no release 9.0.0; there are: none"),
    ],
)
def test_contract_that_is_not_there_is_said(openapi: Path, name: str, fault: str) -> None:
    with pytest.raises(CannotStart, match=re.escape(fault)):
        commands_contracts.document_of(name, openapi)


@pytest.mark.parametrize("text", ["a: [", "[]", "title: Nothing"])
def test_file_that_is_no_contract_is_said(tmp_path: Path, text: str) -> None:
    file = tmp_path / "v1.yaml"
    file.write_text(text)

    with pytest.raises(CannotStart, match=r"v1\.yaml (cannot be read|is no contract)"):
        commands_contracts.document_of(str(file))


def test_later_version_is_greater() -> None:
    assert sorted(["1.10.0", "1.2.0", "1.9.3"], key=numbers_of) == ["1.2.0", "1.9.3", "1.10.0"]


def test_diff_ends_with_1_where_something_breaks(openapi: Path) -> None:
    old, new = openapi / f"{CONTRACT}.yaml", openapi / f"{NEXT}.yaml"
    write(openapi, NEXT, version="2.0.0", maxLength=20, description="Why.")

    told = CliRunner().invoke(main, ["diff", str(old), str(new)])
    in_full = CliRunner().invoke(main, ["diff", str(new), str(old), "--words"])
    in_markdown = CliRunner().invoke(main, ["diff", str(old), str(old), "--markdown"])

    assert (told.exit_code, in_full.exit_code, in_markdown.exit_code) == (1, 0, 0)
    assert "✗ POST /stops: `note` in the request's body takes fewer values" in told.output
    assert "· 1 descriptions or examples read differently." in told.output
    assert "· POST /stops: `note` in the request's body is described differently." in in_full.output
    assert "Nothing." in in_markdown.output


def test_diff_without_arguments_looks_at_every_contract_of_ours() -> None:
    told = CliRunner().invoke(main, ["diff"])

    assert told.exit_code == 0, told.output


def test_diff_with_one_contract_looks_at_what_is_not_released_of_it() -> None:
    told = CliRunner().invoke(main, ["diff", "process/status/v1"])
    in_markdown = CliRunner().invoke(main, ["diff", "process/billing_holds/v2", "--markdown"])

    assert told.exit_code == 0, told.output
    assert in_markdown.output.startswith("# process/billing_holds/v2\n")


def test_lint_names_the_rule_and_how_to_mend(openapi: Path) -> None:
    told = CliRunner().invoke(main, ["lint", str(openapi / f"{CONTRACT}.yaml")])

    assert told.exit_code == 1
    assert "process/stops/v1: NewStop.on: it may be of any length  [request.bounded_text]" in told.output
    assert "  → Write maxLength" in told.output


def test_lint_of_what_is_in_order_ends_with_0() -> None:
    told = CliRunner().invoke(main, ["lint", "process/status/v1"])

    assert (told.exit_code, told.output) == (0, "Every rule is kept.\n")


def test_freeze_says_what_stops_it() -> None:
    told = CliRunner().invoke(main, ["freeze", "process/other/v1"])

    assert told.exit_code == 1
    assert "There is no contract process/other/v1" in told.output


def test_entry_is_needed_before_anything_else(openapi: Path) -> None:
    versions = load((openapi / "lifecycle.yaml").read_text())
    api = Api(
        contract="process/status/v1", connection=None, base="/", document=Document("process/status/v1"), operations=()
    )

    with pytest.raises(LifecycleError, match="process/status/v1 has no entry"):
        check_released({CONTRACT: replace(versions[CONTRACT])}, [api], openapi)
