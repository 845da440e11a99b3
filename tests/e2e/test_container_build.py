"""What the Containerfile does to build the product, done here: from the checkout to commands that work."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.containerfile import ROOT, of, stages


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in the place of `/opt`, once the first stage has run."""
    build, folder = stages()[0], tmp_path_factory.mktemp("image")
    source, opt = folder / "src", folder / "opt"
    ignored = shutil.ignore_patterns("__pycache__")
    for line in of(build, "COPY"):
        for name in line.split()[:-1]:
            here, there = ROOT / name, source / name
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(here, there, ignore=ignored) if here.is_dir() else shutil.copy(here, there)
    for line in of(build, "RUN"):
        steps = line.replace("/opt/", f"{opt}/").replace("--no-cache-dir ", "")  # Fetched once for all runs.
        subprocess.run(steps, shell=True, check=True, cwd=source, stdout=subprocess.DEVNULL)  # noqa: S602 - our own file
    return opt


def test_image_initialises_migrates_and_checks_an_installation(image: Path, tmp_path: Path) -> None:
    def tiebeam(*command: str | Path) -> str:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TIEBEAM"))}
        environ = plain | {"TRYTON_PASSWORD": "none"}
        program = image / "tiebeam/bin/tiebeam"
        done = subprocess.run(  # noqa: S603 - our own
            [program, *command], check=True, capture_output=True, text=True, cwd=tmp_path, env=environ
        )
        return done.stdout

    said = tiebeam("--help")
    tiebeam("init", "installation")
    config = tmp_path / "installation/tiebeam.yaml"
    migrated, checked = tiebeam("migrate", "--config", config), tiebeam("check", "--config", config)

    assert "worker" in said
    assert "the version of this release" in migrated
    assert "FAIL" not in checked
    assert "operations, each with its plan" in checked


def test_image_has_nothing_that_installs_or_compiles(image: Path) -> None:
    programs = {path.name for path in (image / "tiebeam/bin").iterdir()}

    assert "tiebeam" in programs
    assert not [name for name in programs if name.startswith(("pip", "gcc", "cc"))]
