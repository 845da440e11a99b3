"""Each command of `tiebeam` as an operator types it: what it prints, and how it says what does not hold."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jwt
import pytest
import yaml
from click.testing import CliRunner, Result
from msgspec.structs import replace

from gateway import cli, commands, commands_audit, main
from gateway.durable import Worker
from gateway.durable.settings import DurableSettings
from gateway.durable.worker_lock import worker_lock
from gateway.installation_key import FILE
from gateway.settings import load
from gateway.store.audit import Auditor
from gateway.store.database import Store, create_engine
from gateway.store.migrate import VERSION_TABLE
from gateway.store.shadow_differences import ShadowCounts
from gateway.supervisor import Supervisor
from openapi.system.erp.v1 import Rounding
from tests.audit_books import written
from tests.contracts.objects import objects
from tests.fakes.composed import on_fakes
from tests.fakes.erp import CAPABILITIES, FakeErp
from tests.fakes.psa import FakePsa
from tests.servers_postgres import postgres

Tiebeam = Callable[..., Result]
GROUPS = {name: command.commands for name, command in cli.main.commands.items() if isinstance(command, click.Group)}
COMMANDS = [[], *([name] for name in cli.main.commands), *([group, name] for group in GROUPS for name in GROUPS[group])]
WIDTH = 78
"""Of help on a terminal of 80 columns."""


def tiebeam(*arguments: object) -> Result:
    """Type it; what it says goes to one place, as in a terminal."""
    return CliRunner().invoke(cli.main, [str(one) for one in arguments], prog_name="tiebeam")


def changed(config: Path, **sections: Any) -> Path:  # noqa: ANN401 - what YAML holds
    """Return the settings with these sections laid over."""
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | sections))
    return config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation as `tiebeam init` writes it; nobody listens where its systems should be."""
    monkeypatch.setenv("TRYTON_PASSWORD", "hunter2-hunter2")
    assert tiebeam("init", tmp_path / "firm").exit_code == 0
    file = tmp_path / "firm" / "tiebeam.yaml"
    document = yaml.safe_load(file.read_text())
    for connection in document["connections"].values():
        connection["settings"]["base_url"] = "http://127.0.0.1:9"
    return changed(file, connections=document["connections"])


@pytest.fixture
def work_item(config: Path) -> str:
    """Return the id of an item that waits in the installation's database."""
    settings = load(str(config))
    commands.migrate(settings)

    async def planted() -> str:
        async with objects(settings.database_url) as made:
            return await made.work_item()

    return asyncio.run(planted())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_says_what_the_command_does_in_whole_sentences(command: list[str]) -> None:
    result = CliRunner().invoke(cli.main, [*command, "--help"], prog_name="tiebeam", terminal_width=WIDTH)

    assert result.exit_code == 0
    assert "..." not in result.output.replace("[ARGS]...", ""), "Shorten the first sentence; click cuts it in lists."
    assert result.output.splitlines()[2].strip().endswith((".", "`")), "Begin with a sentence."


def test_help_lists_commands_in_the_order_of_their_use() -> None:
    commands_of_help = tiebeam("--help").output.partition("Commands:\n")[2].partition("\n\n")[0]
    listed = [line.split()[0] for line in commands_of_help.splitlines()]

    of_their_use = "init migrate serve worker check plan explain token work-items audit backup restore"
    of_their_use += " policies denials lifecycle diff lint freeze"
    assert listed == of_their_use.split()


def test_init_writes_an_installation_that_checks_and_overwrites_none(config: Path) -> None:
    again = tiebeam("init", config.parent)

    assert {path.name for path in config.parent.iterdir()} >= {"tiebeam.yaml", "policies", "mappings", "templates"}
    assert (again.exit_code, "exists. Choose another folder" in again.output) == (1, True)
    checked = tiebeam("check", "--config", config)
    assert checked.exit_code == 0, checked.output
    assert "operations, each with its plan." in checked.output


def test_check_of_systems_that_are_away_says_which_and_where_to_look(config: Path) -> None:
    impatient = yaml.safe_load((config.parent / "policies" / "30-upstreams.yaml").read_text())
    impatient["policies"][0]["patience"] |= {"read_retries": 0, "deadline_s": 2}
    (config.parent / "policies" / "30-upstreams.yaml").write_text(yaml.safe_dump(impatient))

    result = tiebeam("check", "--connections", "--config", config)

    lines = result.output.splitlines()
    failed = [number for number, line in enumerate(lines) if line.startswith("FAIL")]
    assert result.exit_code == 1
    assert {lines[number].split(":")[0] for number in failed} == {"FAIL  books", "FAIL  delivery"}
    assert all(lines[number + 1].startswith("      → ") for number in failed), "Each says how to mend it."
    assert "hunter2" not in result.output


def test_check_says_which_files_other_accounts_may_read(config: Path) -> None:
    settings = load(str(config))
    commands.migrate(settings)
    private = tiebeam("check", "--config", config)
    settings.data.chmod(0o755)
    (settings.data / "tiebeam.sqlite").chmod(0o644)

    readable = tiebeam("check", "--config", config)

    assert f"Nobody else may read what lies in {settings.data}." in private.output
    assert f"Other accounts may read data, tiebeam.sqlite in {settings.data}." in readable.output
    assert f"chmod -R go= {settings.data}" in readable.output
    assert readable.exit_code == 0, "Somebody may have let a backup program in."


def test_check_follows_the_chains_and_names_the_row_that_was_changed(config: Path, work_item: str) -> None:
    whole = tiebeam("check", "--chains", "--config", config)
    path = load(str(config)).database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as database:
        (event,) = database.execute("SELECT id FROM tb_business_event LIMIT 1").fetchone()
        database.execute("UPDATE tb_business_event SET data = '{}' WHERE id = ?", [event])
        database.commit()

    broken = tiebeam("check", "--chains", "--config", config)

    assert work_item.startswith("wki_")
    assert (whole.exit_code, whole.output.count("Every row is as it was written.")) == (0, 2)
    assert broken.exit_code == 1
    assert f"chain of events: Broken at {event}" in broken.output


def test_missing_settings_name_the_command_that_writes_them(tmp_path: Path) -> None:
    for command in ("serve", "worker", "check", "plan", "token", "migrate"):
        result = tiebeam(command, "--config", tmp_path / "none.yaml")

        assert result.exit_code == 1
        assert "none.yaml cannot be read. `tiebeam init DIR` writes a commented one." in result.output


@pytest.mark.parametrize("command", ["serve", "check"])
def test_all_bad_settings_are_named_at_once(config: Path, command: str) -> None:
    changed(config, http={"port": "eighty"}, processes={"hold_forward_h": -1}, colour="red")

    result = tiebeam(command, "--config", config)

    assert result.exit_code == 1
    for place in ("http.port", "processes.hold_forward_h", "colour"):
        assert place in result.output


@pytest.mark.parametrize("command", ["serve", "check", "plan"])
def test_bad_policy_is_named_with_file_row_and_field(config: Path, command: str) -> None:
    row = {"kind": "rate_limit", "per": "client", "limit": 0, "window_s": 60, "when_unavailable": "allow"}
    (config.parent / "policies" / "90-wrong.yaml").write_text(yaml.safe_dump({"policies": [row]}))

    result = tiebeam(command, "--config", config)

    assert result.exit_code == 1
    for word in ("90-wrong.yaml", "1", "limit"):
        assert word in result.output


@pytest.mark.parametrize("command", [["serve", "--no-worker"], ["check"], ["work-items", "list"]], ids=" ".join)
@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ({"vendor": "acme"}, "connections.books.vendor: acme is none; there are"),
        ({"vendor": "redmine"}, "connections.books.family: redmine cannot be a erp"),
        ({"settings": {}}, "connections.books.settings"),
    ],
    ids=["vendor", "family", "settings"],
)
def test_connection_that_cannot_be_is_named(
    config: Path, command: list[str], connection: dict[str, Any], said: str
) -> None:
    connections = yaml.safe_load(config.read_text())["connections"]
    connections["books"] |= connection
    changed(config, connections=connections)

    result = tiebeam(*command, "--config", config)

    assert result.exit_code == 1, result.output
    assert said in result.output


@pytest.mark.parametrize("command", [["serve", "--no-worker"], ["check"], ["plan"]], ids=" ".join)
def test_policy_that_names_what_is_not_there_is_named_with_its_row(config: Path, command: list[str]) -> None:
    row = {"kind": "authenticate", "audience": "tiebeam", "issuers": ["https://nobody.example"]}
    (config.parent / "policies" / "90-wrong.yaml").write_text(yaml.safe_dump({"policies": [row]}))

    result = tiebeam(*command, "--config", config)

    assert result.exit_code == 1
    for word in ("90-wrong.yaml", "issuers", "nothing is named 'https://nobody.example'"):
        assert word in result.output


def test_issuer_whose_keys_cannot_be_read_stops_the_start(config: Path) -> None:
    issuer = {"issuer": "https://login.example", "audience": "tiebeam", "jwks_file": "nowhere.json"}

    result = tiebeam("serve", "--no-worker", "--config", changed(config, issuers=[issuer]))

    assert result.exit_code == 1
    assert "nowhere.json" in result.output


def on_a_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands meet systems in memory that round as the sample says."""
    erp = FakeErp(replace(CAPABILITIES, legal_entities=["ES01"], rounding=Rounding.half_even))
    composed = main.parts
    monkeypatch.setattr(main, "parts", lambda *arguments: on_fakes(composed(*arguments), erp, FakePsa()))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"percent": "20"}, "VAT 21% is 20 % in taxes.yaml, 21 % in the ERP."),
        ({"tax_code": "VAT 19%"}, "VAT 19% is 21 % in taxes.yaml, not in the ERP."),
        ({"percent": "20", "valid_to": "2025-12-31"}, None),
    ],
)
def test_check_compares_each_tax_that_holds_today_with_the_ledger(
    config: Path, monkeypatch: pytest.MonkeyPatch, row: dict[str, str], said: str | None
) -> None:
    on_a_ledger(monkeypatch)
    file = config.parent / "mappings" / "taxes.yaml"
    taxes = yaml.safe_load(file.read_text())
    taxes["rows"][0] |= row
    file.write_text(yaml.safe_dump(taxes))

    result = tiebeam("check", "--connections", "--config", config)

    assert result.exit_code == (1 if said else 0), result.output
    assert (said or "VAT 10% is 10 % in taxes.yaml, 10 % in the ERP.") in result.output


@pytest.mark.parametrize(("currency", "exit_code"), [("EUR", 0), ("USD", 1)])
def test_check_compares_each_entity_with_its_ledger(
    config: Path, monkeypatch: pytest.MonkeyPatch, currency: str, exit_code: int
) -> None:
    on_a_ledger(monkeypatch)
    entities = yaml.safe_load(config.read_text())["entities"]
    entities["ES01"]["currency"] = currency

    result = tiebeam("check", "--connections", "--config", changed(config, entities=entities))

    assert result.exit_code == exit_code, result.output
    assert ("books: entities: currency is EUR, not USD" in result.output) == bool(exit_code)
    assert ("→ Correct entities.ES01 in the settings" in result.output) == bool(exit_code)


def test_plan_shows_one_operation_or_says_that_there_is_none(config: Path) -> None:
    shown = tiebeam("plan", "erp/v1:create_customer", "--config", config)
    nothing = tiebeam("plan", "make_coffee", "--config", config)

    (plan,) = yaml.safe_load(shown.output).items()
    assert plan[0] == "system/erp/v1:create_customer@books"
    assert [row["kind"] for row in plan[1]][:3] == ["audit", "authenticate", "authorize"]
    assert (nothing.exit_code, "`tiebeam plan` lists all" in nothing.output) == (1, True)


def test_token_says_what_was_asked_and_lasts_no_longer(config: Path) -> None:
    limits = ("--scope", "status:read", "--legal-entity", "ES01", "--customer", "cus_1", "--minutes", "5")

    token = tiebeam("token", *limits, "--config", config).output.strip()

    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["scope"], claims["legal_entities"], claims["customers"]) == ("status:read", ["ES01"], ["cus_1"])
    assert claims["exp"] - claims["iat"] == 300
    whole = jwt.decode(tiebeam("token", "--config", config).output.strip(), options={"verify_signature": False})
    assert {"finance:read", "holds:override", "status:read"} <= set(whole["scope"].split())
    assert tiebeam("token", "--minutes", 5000, "--config", config).exit_code == 2, "The gateway refuses such tokens."


def test_token_without_a_development_issuer_says_where_tokens_come_from(config: Path) -> None:
    result = tiebeam("token", "--config", changed(config, issuers=[]))

    assert (result.exit_code, "tokens come from your identity provider" in result.output) == (1, True)


def test_migrate_may_be_repeated(config: Path) -> None:
    first, again = (tiebeam("migrate", "--config", config) for _ in range(2))

    assert first.exit_code == again.exit_code == 0
    assert "the version of this release" in again.output


def test_migrate_leaves_the_tables_of_a_later_release_as_they_are(config: Path) -> None:
    tiebeam("migrate", "--config", config)
    file = config.parent / "data" / "tiebeam.sqlite"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999_later'")  # noqa: S608 - a name of ours

    result = tiebeam("migrate", "--config", config)

    assert (result.exit_code, "9999_later, the version of a later release" in result.output) == (0, True)


def test_work_items_are_listed_assigned_and_resumed(config: Path, work_item: str) -> None:
    def typed(*arguments: str) -> Result:
        return tiebeam("work-items", *arguments, "--config", config)

    headings, item = typed("list", "--owner", "Finance Ops").output.splitlines()
    assert headings.split()[:3] == ["work", "item", "state"]
    assert (item.startswith(work_item), item.index("open")) == (True, headings.index("state"))
    assert typed("list", "--owner", "PMO").output == "Nothing waits for anybody.\n"
    assert "ana.ruiz" in typed("assign", work_item, "ana.ruiz").output
    shown = typed("show", work_item).output
    assert [line.split(maxsplit=1)[0] for line in shown.splitlines()][:4] == ["work", "state", "until", "at"]
    assert all(line in shown for line in ("queue          Finance Ops\n", "assigned to    ana.ruiz\n", "\nfacts\n{"))
    assert "goes on at create_project" in typed("resume", work_item, "--decision", '{"note": "Opened."}').output
    assert work_item in typed("list", "--all").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--owner", "Nobody"], "There is no queue 'Nobody'; there are "),
        (["assign", "wki_1", "ana.ruiz"], "resource.not_found: There is no such work item"),
        (["show", "wki_1"], "resource.not_found: There is no such work item"),
        (["resume", "wki_1"], "resource.not_found: There is no such work item"),
        (["resume", "wki_1", "--decision", "opened"], "The decision is no JSON object"),
        (["resume", "wki_1", "--decision", '["opened"]'], "The decision is no JSON object"),
    ],
)
def test_work_item_command_that_cannot_be_carried_out_says_why(config: Path, arguments: list[str], said: str) -> None:
    result = tiebeam("work-items", *arguments, "--config", config)

    assert result.exit_code == 1
    assert said in result.output


def test_decision_that_the_process_does_not_ask_for_is_named_with_its_place(config: Path, work_item: str) -> None:
    result = tiebeam("work-items", "resume", work_item, "--decision", '{"confirmed_new": "yes"}', "--config", config)

    assert result.exit_code == 1
    assert "#/decision:" in result.output


def test_second_worker_is_refused_and_told_of_the_first(config: Path) -> None:
    lock = worker_lock(load(str(config)).database_url, DurableSettings(), lambda: None)
    commands.migrate(load(str(config)))
    lock.take()
    try:
        result = tiebeam("worker", "--config", config)
    finally:
        lock.release(undone=False)

    assert result.exit_code == 1
    assert "Another worker" in result.output
    assert "Stop it first." in result.output


def test_worker_runs_until_it_is_stopped(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = list[Worker]()

    async def run(worker: Worker) -> None:
        ran.append(worker)

    monkeypatch.setattr(Worker, "run", run)

    assert tiebeam("worker", "--config", config).exit_code == 0
    assert len(ran) == 1


@pytest.mark.parametrize(("code", "said"), [(0, ""), (3, "The web server ended with 3")])
def test_serve_is_over_with_its_web_server(config: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str) -> None:
    monkeypatch.setattr(Supervisor, "run", lambda _: code)

    result = tiebeam("serve", "--config", config)

    assert (result.exit_code, said in result.output) == (min(code, 1), True)


def test_serve_without_a_worker_hands_its_settings_on_to_what_serves(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = list[Any]()
    monkeypatch.setenv("TIEBEAM_CONFIG", "")  # So that it is put back afterwards.
    monkeypatch.setattr(commands.Server, "serve", lambda _: served.append(commands.application()))

    result = tiebeam("serve", "--no-worker", "--config", config)

    assert result.exit_code == 0, result.output
    assert callable(served[0])


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Return the URL of an empty PostgreSQL."""
    with postgres() as running:
        yield running.database()


@pytest.mark.parametrize("command", [["serve"], ["serve", "--no-worker"], ["worker"], ["work-items", "list"]])
def test_service_profile_without_migration_names_the_command(
    config: Path, monkeypatch: pytest.MonkeyPatch, database: str, command: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    changed(config, database={"url": {"env": "DATABASE_URL"}})

    result = tiebeam(*command, "--config", config)

    assert result.exit_code == 1
    assert "The database lacks" in result.output
    assert "Run `tiebeam migrate` first." in result.output


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["worker"], ["work-items", "list"]])
def test_database_that_is_away_is_told_without_its_password(
    config: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://tiebeam:hunter2@127.0.0.1:9/tiebeam")
    changed(config, database={"url": {"env": "DATABASE_URL"}})

    result = tiebeam(*command, "--config", config)

    assert result.exit_code == 1
    assert "The database does not answer. Look at database.url" in result.output
    assert "hunter2" not in result.output


def test_audit_is_sealed_and_verified(config: Path) -> None:
    empty = tiebeam("audit", "verify", "--config", config)
    nothing = tiebeam("audit", "seal", "--config", config)
    audited(config, "one", "two", "three")
    sealed = tiebeam("audit", "seal", "--config", config)
    audited(config, "four")
    verified = tiebeam("audit", "verify", "--config", config)

    (load(str(config)).data / FILE).unlink()
    by_another = tiebeam("audit", "seal", "--config", config)

    assert (by_another.exit_code, "made with another key" in by_another.output) == (1, True)
    assert empty.output == "0 rows of 0 writers and 0 seals hold; all of it is sealed.\n"
    assert nothing.output == "Nothing was added since the last seal.\n"
    assert sealed.output.startswith("Seal 1 holds 1 chains that have grown: ")
    assert verified.output == "4 rows of 2 writers and 1 seal hold; 1 row not sealed yet.\n"
    assert [one.exit_code for one in (empty, nothing, sealed, verified)] == [0, 0, 0, 0]


def test_audit_that_was_changed_by_hand_names_the_first_broken_row(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_audit, "SAID_EACH", 1)
    audited(config, "one", "two", "three")
    tiebeam("audit", "seal", "--config", config)
    with contextlib.closing(sqlite3.connect(load(str(config)).data / "tiebeam.sqlite")) as database:
        with pytest.raises(sqlite3.IntegrityError, match="of the audit are only added"):
            database.execute("UPDATE tb_audit SET client_id = 'mallory'")
        database.execute("DROP TRIGGER tr_tb_audit_update")
        database.execute("UPDATE tb_audit SET client_id = 'mallory' WHERE sequence > 1")
        database.commit()

    verified = tiebeam("audit", "verify", "--config", config)
    checked = tiebeam("check", "--chains", "--config", config)

    said = ", row 2, two: Its content is not what was written."
    assert verified.exit_code == checked.exit_code == 1
    assert verified.output.splitlines()[0] == "1 row of 1 writer and 1 seal hold; all of it is sealed."
    assert verified.output.splitlines()[1].startswith("Broken at writer ")
    assert verified.output.splitlines()[1].endswith(said)
    assert said in checked.output


def audited(config: Path, *ids: str) -> None:
    """Write rows into the installation's audit."""
    settings = load(str(config))
    commands.migrate(settings)

    async def write() -> None:
        store = Store(create_engine(settings.database_url))
        await written(Auditor(store), *ids)
        await store.close()

    asyncio.run(write())


STATUS = "/process/status/v1/project-statuses/prj_1"


def test_plan_names_the_place_of_each_row(config: Path) -> None:
    planned = yaml.safe_load(tiebeam("plan", "get_project_status", "--config", config).output)

    (rows,) = planned.values()
    assert rows[0] == {"from": "00-baseline.yaml, row 1", "kind": "audit"}


def test_check_names_consumers_and_tiers(config: Path) -> None:
    assert "consumers: 1 rows, for *; tiers: standard." in tiebeam("check", "--config", config).output


def test_explain_ends_with_one_where_the_call_would_be_refused(config: Path) -> None:
    asked = ("explain", "GET", STATUS, "--config", config)
    passes, refused = tiebeam(*asked), tiebeam(*asked, "--client", "crm", "--scope", "customers:read")

    assert (passes.exit_code, passes.output.splitlines()[-1]) == (0, "→ The operation answers.")
    assert refused.exit_code == 1
    assert "✗ authorize     00-baseline.yaml, row 3" in refused.output
    assert refused.output.splitlines()[-1] == "→ 403 auth.scope_missing Ask for the scope status:read."


def test_explain_of_a_token_says_which_rule_it_breaks_and_nothing_of_it(config: Path) -> None:
    token = tiebeam("token", "--config", config).output.strip()
    asked = ["explain", "GET", STATUS, "--token", "-", "--config", str(config)]

    good = CliRunner().invoke(cli.main, asked, input=token)
    bad = CliRunner().invoke(cli.main, asked, input=token[:-4] + "AAAA")

    assert (good.exit_code, bad.exit_code) == (0, 1), good.output
    assert "Its signature is not that of the key (RFC 7515 §5.2" in bad.output
    assert token[:20] not in good.output + bad.output


def test_denied_client_is_refused_until_the_denial_is_removed(config: Path) -> None:
    asked = ("explain", "GET", STATUS, "--client", "crm", "--config", config)

    added = tiebeam("denials", "add", "client", "crm", "--reason", "Seen in a log.", "--hours", 1, "--config", config)
    refused = tiebeam(*asked)
    listed = tiebeam("denials", "list", "--config", config)
    headings, denial = added.output.splitlines()
    denial_id = denial.split()[0]
    removed = tiebeam("denials", "remove", denial_id, "--config", config)

    assert listed.output == added.output
    assert headings.split() == ["denial", "kind", "who", "until", "by", "reason"]
    assert (refused.exit_code, "It was denied" in refused.output) == (1, True)
    assert removed.output == "The client crm is accepted again.\n"
    assert tiebeam("denials", "list", "--config", config).output == "Nobody is denied.\n"
    assert tiebeam("denials", "remove", denial_id, "--config", config).exit_code == 1
    assert tiebeam(*asked).exit_code == 0


def test_policies_are_loaded_all_or_nothing_and_taken_back(config: Path) -> None:
    policies = config.parent / "policies"
    assert tiebeam("policies", "list", "--config", config).output.startswith("No set was loaded yet")
    first = tiebeam("policies", "reload", "--config", config)
    again = tiebeam("policies", "reload", "--config", config)
    (policies / "90-own.yaml").write_text("policies: [{kind: cache, fresh_s: 0, when_unavailable: bypass}]")
    bad = tiebeam("policies", "reload", "--config", config)
    (policies / "90-own.yaml").write_text("policies: [{kind: audit}]")
    upstreams = (policies / "30-upstreams.yaml").read_text()
    (policies / "30-upstreams.yaml").write_text(upstreams.replace("rate: 50", "rate: 40"))
    second = tiebeam("policies", "reload", "--config", config)
    back = tiebeam("policies", "rollback", "--config", config)
    withdrawn = tiebeam("policies", "reload", "--config", config)

    set_id = first.output.split()[0]
    assert again.output == f"{set_id} is in force, as before.\n"
    assert (bad.exit_code, "90-own.yaml, row 1 (cache), field fresh_s" in bad.output) == (1, True)
    assert second.output.splitlines()[1] == "Restart for the rows of the kind upstream: books, delivery."
    assert back.output.splitlines()[0] == f"{set_id} is in force."
    assert back.output.splitlines()[1] == "Restart for the rows of the kind upstream: books, delivery."
    assert (withdrawn.exit_code, "policy_set.withdrawn" in withdrawn.output) == (1, True)
    headings, *sets = tiebeam("policies", "list", "--config", config).output.splitlines()
    assert headings.split() == ["set", "state", "loaded", "by", "note"]
    assert [line.split()[1] for line in sets] == ["withdrawn", "live"]


@pytest.fixture
def tried(config: Path) -> Path:
    """Return a folder of policies that close the gateway to the portal; the files of the installation are in force."""
    assert tiebeam("policies", "reload", "--config", config).exit_code == 0
    folder = config.parent / "tried"
    shutil.copytree(config.parent / "policies", folder)
    row = {"kind": "consumer", "client_id": "portal", "owner": "Care", "apis": ["platform/*"]}
    (folder / "90-own.yaml").write_text(yaml.safe_dump({"policies": [row]}))
    return folder


def count(config: Path, candidate_id: str, *, times: int) -> None:
    """Count calls as a web process does that tries the candidate: those of the CRM pass, the portal's would not."""

    async def counted() -> None:
        store = Store(create_engine(load(str(config)).database_url))
        counts = ShadowCounts(store)
        place, pair = "process/status/v1:get_project_status", ("passes", "refused 403 auth.api_not_allowed")
        for number in range(times):
            counts.of(candidate_id).compared("crm", place)
            counts.of(candidate_id).compared("portal", place)
            counts.of(candidate_id).differs("portal", place, pair, f"call-{number}")
        await counts.flush()
        await store.close()

    asyncio.run(counted())


def test_policies_are_tried_compared_promoted_and_taken_back(config: Path, tried: Path) -> None:
    shadowed = tiebeam("policies", "shadow", tried, "--config", config)
    count(config, shadowed.output.split()[0], times=1_200)
    asked = ("explain", "GET", STATUS, "--client", "portal", "--config", config)
    files, candidate = tiebeam(*asked), tiebeam(*asked, "--candidate")
    differences = tiebeam("policies", "differences", "--config", config).output.splitlines()
    of_crm = tiebeam("policies", "differences", "--client", "crm", "--config", config).output
    promoted = tiebeam("policies", "promote", "--config", config)
    back = tiebeam("policies", "rollback", "--config", config)

    candidate_id = shadowed.output.split()[0]
    assert shadowed.output.endswith("and nothing comes of it. Then: tiebeam policies differences\n")
    assert (files.exit_code, candidate.exit_code) == (0, 1)
    assert differences[0] == "portal"
    assert differences[1].split() == ["operation", "now", "then", "calls", "last", "seen"]
    assert "get_project_status  passes  refused 403 auth.api_not_allowed  1,200  20" in differences[2]
    assert differences[3].startswith(f"1,200 of 2,400 calls would differ under {candidate_id}, tried since 20")
    assert of_crm.startswith("0 of 1,200 calls would differ")
    assert promoted.output.splitlines()[0].endswith("is in force.")
    assert "Write the same files into" in promoted.output.splitlines()[-1]
    assert back.output.splitlines()[0].endswith("is in force.")


def test_what_cannot_be_tried_or_promoted_says_what_to_do_next(config: Path, tried: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = tiebeam("policies", "shadow", tmp_path / "empty", "--config", config)
    nothing = [tiebeam("policies", name, "--config", config) for name in ("differences", "promote", "drop")]
    tiebeam("policies", "shadow", tried, "--config", config)
    (tried / "90-own.yaml").write_text("policies: [{kind: tea}]")
    bad = tiebeam("policies", "shadow", tried, "--config", config)
    (config.parent / "policies" / "91-own.yaml").write_text("policies: [{kind: audit}]")
    tiebeam("policies", "reload", "--config", config)
    resting = tiebeam("policies", "differences", "--config", config)
    outdated = tiebeam("policies", "promote", "--config", config)
    dropped = tiebeam("policies", "drop", "--config", config)

    assert (empty.exit_code, "there is no policy file" in empty.output) == (1, True)
    assert {result.exit_code for result in nothing} == {1}
    assert all("Begin with: tiebeam policies shadow FOLDER" in result.output for result in nothing)
    assert (bad.exit_code, "90-own.yaml, row 1" in bad.output) == (1, True)
    assert "It rests: another set is in force" in resting.output
    assert (outdated.exit_code, "policy_candidate.outdated: Propose its files again" in outdated.output) == (1, True)
    assert dropped.output.endswith("is tried no longer.\n")
