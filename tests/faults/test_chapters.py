"""The chapters of `make demo CHAPTER=…`, as somebody watches them: each ends well, or says what broke."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.live,
    pytest.mark.campaign,
    pytest.mark.skipif(not FULL, reason="The sample kills and loses on stages of its own."),
]


@pytest.mark.parametrize(
    ("chapter", "end"),
    [
        ("break-it", "Nothing was made twice"),
        ("edge", "The edge held."),
        ("lifecycle", "Nothing went before its time."),
    ],
)
def test_chapter_ends_well(tmp_path: Path, chapter: str, end: str) -> None:
    command = [sys.executable, "-m", "examples.demo", "--chapter", chapter]

    ended = subprocess.run(  # noqa: S603 - our own
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert end in ended.stdout
