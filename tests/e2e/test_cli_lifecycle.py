"""`tiebeam lifecycle` as an operator types it, on the database of an installation."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import cli, commands
from gateway.caller import Client
from gateway.settings import load
from gateway.store.database import Store, create_engine
from gateway.store.usage import call_key
from gateway.usage import Usage

LIFE = """
process/billing_holds/v1:
  deprecated_at: 2026-01-01T00:00:00Z
  sunset_at: 2999-03-01T00:00:00Z
"""


def lifecycle(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["lifecycle", "--config", str(config), *arguments], prog_name="tiebeam")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose clients have called."""
    monkeypatch.setenv("TRYTON_PASSWORD", "hunter2-hunter2")
    assert CliRunner().invoke(cli.main, ["init", str(tmp_path / "firm")]).exit_code == 0
    file = tmp_path / "firm" / "tiebeam.yaml"
    settings = load(str(file))
    commands.migrate(settings)

    async def called() -> None:
        store = Store(create_engine(settings.database_url))
        usage = Usage(store)
        for client_id, operation in (
            ("developer", "process/billing_holds/v1:place_hold"),
            ("crm", "process/status/v1:get_project_status"),
        ):
            usage.count(call_key(Client("https://login.example", client_id), operation))
        await usage.flush()
        await store.close()

    asyncio.run(called())
    return file


def test_it_says_how_to_let_a_version_go_then_who_still_calls_it(config: Path) -> None:
    nothing = lifecycle(config)
    (config.parent / "policies" / "lifecycle.yaml").write_text(LIFE)
    goes = lifecycle(config)
    of_another = lifecycle(config, "--client", "crm")
    everything = lifecycle(config, "--contract", "process/status/v1", "--all")
    unknown = lifecycle(config, "--contract", "process/status/v9")

    assert nothing.output.startswith("Nothing goes. To let a version go, write `deprecated_at`")
    assert "2999-03-01 00:00Z" in goes.output
    assert "process/billing_holds/v1:place_hold" in goes.output
    assert "get_project_status" not in goes.output
    assert "Tell each client's owner" in goes.output
    assert "This client uses nothing that goes." in of_another.output
    assert "process/status/v1:get_project_status" in everything.output
    assert [one.exit_code for one in (nothing, goes, of_another, everything, unknown)] == [0, 0, 0, 0, 1]
    assert "There is no version process/status/v9; there are platform/governance/v1," in unknown.output
