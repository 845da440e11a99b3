"""What an installation writes is for its own account to read, and for no other on the machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import commands
from gateway.counters.local import LocalCounters
from gateway.token_minting import ensure_development_key

OTHERS = 0o077


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    """Give new files to everybody, unless somebody sees to it."""
    before = os.umask(0)
    yield
    os.umask(before)


def for_others(folder: Path) -> dict[str, str]:
    """Return what others may do with the folder and what lies in it."""
    found = {path: path.stat().st_mode & OTHERS for path in (folder, *folder.rglob("*"))}
    return {str(path.relative_to(folder.parent)): oct(mode) for path, mode in found.items() if mode}


def test_new_database_is_for_us_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings: Any = SimpleNamespace(data=data, database_url=f"sqlite:///{data}/tiebeam.sqlite")

    commands.prepare(settings)

    assert (data / "tiebeam.sqlite").stat().st_size > 0
    assert for_others(data) == {}


def test_database_elsewhere_is_for_us_alone_too(tmp_path: Path) -> None:
    settings: Any = SimpleNamespace(data=tmp_path / "data", database_url=f"sqlite:///{tmp_path}/own.sqlite")

    commands.prepare(settings)

    assert (tmp_path / "own.sqlite").stat().st_mode & OTHERS == 0


async def test_counters_are_for_us_alone(tmp_path: Path) -> None:
    counters = LocalCounters(tmp_path / "data" / "counters.sqlite")
    await counters.move(["x"])

    assert len(list((tmp_path / "data").iterdir())) == 5  # With what SQLite keeps beside.
    assert for_others(tmp_path / "data") == {}
    await counters.close()


def test_development_key_is_for_us_alone(tmp_path: Path) -> None:
    ensure_development_key(tmp_path / "data")

    assert for_others(tmp_path / "data") == {}


def test_rights_that_somebody_gave_stay(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o750)
    (data / "tiebeam.sqlite").touch(mode=0o640)
    settings: Any = SimpleNamespace(data=data, database_url=f"sqlite:///{data}/tiebeam.sqlite")

    commands.prepare(settings)

    assert for_others(data) == {"data": "0o50", "data/tiebeam.sqlite": "0o40"}
