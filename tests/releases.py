"""The releases that this one can follow, by commit (a clone need not have their tags), and how programs of one run."""

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

COMMITS: Final = {
    "0.1.0": "f6b8f855e61c0ac56883a3ae4676b38bad59ca17",
    "0.2.0": "6fbb95665041ffa78275f4142241c520bf498453",
}
"""What an installation is upgraded from, without another release in between."""
OLDEST, *_, LAST = COMMITS
ROOT: Final = Path(__file__).parents[1]


class Release(NamedTuple):
    """A release, as the files that it has."""

    name: str
    tree: Path

    def ships(self, file: str) -> bool:
        """Tell whether the release has it: what is told by the file, it knows."""
        return (self.tree / file).exists()

    @property
    def migrations(self) -> list[str]:
        """Return the versions of its tables, the oldest first."""
        return sorted(file.stem for file in self.tree.glob("migrations/versions/[0-9]*.py"))

    @property
    def environment(self) -> dict[str, str]:
        """Return an environment in which its modules go before all others."""
        return {**os.environ, "PYTHONPATH": str(self.tree)}

    def run(self, *given: object) -> subprocess.CompletedProcess[str]:
        """Return what Python said, and with what it ended."""
        return subprocess.run(  # noqa: S603 - ours
            self.command(*given), cwd=self.tree, env=self.environment, capture_output=True, text=True, check=False
        )

    def do(self, *given: object) -> str:
        """Return what Python said, which ended well."""
        done = self.run(*given)
        assert not done.returncode, f"{given}: {done.stdout}{done.stderr}"
        return done.stdout

    @staticmethod
    def command(*given: object) -> list[str]:
        """Return the command that gives Python these arguments."""
        return [sys.executable, *map(str, given)]


THIS: Final = Release("this", ROOT)


def check_out(release: str, into: Path) -> Release:
    """Return the release, its files in the folder; without the repository's history nothing can be compared."""
    asked = ["git", "archive", "--format=tar", COMMITS[release]]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - git, with options of ours
    assert not done.returncode, (
        f"Release {release} is not in this repository's history ({done.stderr.decode().strip()}): tests of the upgrade"
        f" need a clone with commit {COMMITS[release]}; `git fetch --unshallow` brings it."
    )
    into.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")
    return Release(release, into)
