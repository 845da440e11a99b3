"""The releases that this one can follow, by commit: a clone need not have their tags."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Final

COMMITS: Final = {"0.1.0": "f6b8f855e61c0ac56883a3ae4676b38bad59ca17"}
LAST: Final = "0.1.0"
"""What an installation is upgraded from."""
ROOT: Final = Path(__file__).parents[1]


def check_out(release: str, into: Path) -> Path:
    """Return the folder, with the release's files in it; without the repository's history nothing can be compared."""
    asked = ["git", "archive", "--format=tar", COMMITS[release]]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - git, with options of ours
    assert not done.returncode, (
        f"Release {release} is not in this repository's history ({done.stderr.decode().strip()}): tests of the upgrade"
        f" need a clone with commit {COMMITS[release]}; `git fetch --unshallow` brings it."
    )
    into.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")
    return into
