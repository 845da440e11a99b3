"""A backup by command and back, on both databases; and everything for which a restore is refused."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from msgspec.structs import replace

from examples.demo.stage import installation
from gateway.backup import archive, putting_back, restores, sqlite
from gateway.backup.archive import BackupError, Manifest
from gateway.cli import main
from gateway.durable.migrate import migrate
from gateway.settings import Settings, load
from gateway.store import sequences
from gateway.store.database import Store, create_engine
from tests.servers_postgres import Postgres, programs

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    config = installation(tmp_path / "installation", {"base_url": "http://127.0.0.1:9", "password": "none"})
    told = yaml.safe_load(config.read_text())
    for connection in told["connections"].values():
        connection["settings"]["settle_s"] = 0.1
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        (config.parent / "database-url").write_text(server.database())
        told["database"] = {"url": {"file": "database-url"}}
    config.write_text(yaml.safe_dump(told, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(programs()), prepend=os.pathsep)
        loaded = load(str(config))
        loaded.data.mkdir()
        migrate(loaded.database_url)
        (loaded.data / "installation-key").write_text("a key")
        yield loaded


def tiebeam(settings: Settings, *command: object) -> Result:
    """Return what a command said."""
    return CliRunner().invoke(main, [*map(str, command), "--config", settings.file])


def count(settings: Settings) -> int:
    """Return the next number of a sequence: it says how often somebody has asked."""

    async def asked() -> int:
        store = Store(create_engine(settings.database_url))
        try:
            return await sequences.next_number(store, "told")
        finally:
            await store.close()

    return asyncio.run(asked())


def test_what_was_there_at_the_backup_is_there_again_and_what_was_replaced_is_kept(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "backup.tar"
    counted = [count(settings)]
    taken, again = tiebeam(settings, "backup", file), tiebeam(settings, "backup", file)
    counted += [count(settings), count(settings)]
    (settings.data / "audit-seal").write_text("7 abc")
    refused = tiebeam(settings, "restore", file)
    done = tiebeam(settings, "restore", file, "--force")
    counted.append(count(settings))
    (told,) = restores.list_all(settings.data)
    kept = {path.name for folder in settings.data.glob("before-restore-*") for path in folder.iterdir()}

    assert (taken.exit_code, again.exit_code, refused.exit_code, done.exit_code) == (0, 1, 1, 0), done.output
    assert "exists" in again.output
    assert "--force" in refused.output
    assert counted == [1, 2, 3, 2]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (told.seal_before, told.seal_after) == ("7 abc", None)
    assert "last seal had been 7 abc" in str(told)
    assert kept >= {"installation-key", "audit-seal"}
    assert len(kept) == 3  # And the database.
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_database_in_use_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    tiebeam(settings, "backup", file)

    async def meanwhile() -> Result:
        store = Store(create_engine(settings.database_url))
        async with store.begin() as connection:
            await connection.exec_driver_sql("SELECT 1 FROM tb_process_instance")
        try:
            return await asyncio.to_thread(tiebeam, settings, "restore", file, "--force")
        finally:
            await store.close()

    said = asyncio.run(meanwhile())

    assert said.exit_code == 1
    assert "in use" in said.output
    assert restores.list_all(settings.data) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"release": "99.0.0"}, "with that release"),
        ({"migration": "9999_unheard_of"}, "with that release"),
        ({"database": "another"}, "no way between"),
    ],
)
def test_a_backup_of_another_kind_is_refused(
    settings: Settings, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    tiebeam(settings, "backup", tmp_path / "one.tar")
    manifest = archive.manifest_of(tmp_path / "one.tar")
    other = "postgresql" if manifest.database == "sqlite" else "sqlite"
    named: Manifest = replace(
        manifest, **{key: other if value == "another" else value for key, value in changed.items()}
    )
    archive.write(tmp_path / "two.tar", named, {})
    place = putting_back.Place(url=settings.database_url, data=settings.data)

    with pytest.raises(BackupError, match=said):
        putting_back.restore(tmp_path / "two.tar", place, NOW, print, force=True)


def test_damage_is_found_before_anything_changes(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "one.tar"
    tiebeam(settings, "backup", file)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / "flipped.tar").write_bytes(whole)
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "no.tar").write_text("no backup")
    said = [tiebeam(settings, "restore", tmp_path / name, "--force") for name in ("flipped.tar", "cut.tar", "no.tar")]

    assert [one.exit_code for one in said] == [1, 1, 1]
    assert all("damaged" in one.output for one in said)
    assert count(settings) == 1


def test_an_unsound_database_is_not_put_in_place(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "one.sqlite")) as connection:
        connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, of INTEGER REFERENCES one)")
        connection.execute("INSERT INTO one VALUES (1, 2)")
        connection.commit()
    (tmp_path / "two.sqlite").write_text("no database at all, only text that is long enough to be one" * 20)

    with pytest.raises(BackupError, match="lacks rows"):
        sqlite.check(tmp_path / "one.sqlite")
    with pytest.raises(BackupError, match="cannot be read"):
        sqlite.check(tmp_path / "two.sqlite")
