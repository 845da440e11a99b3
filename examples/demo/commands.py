"""`tiebeam` as the platform team of the story types it."""

import subprocess
from pathlib import Path
from typing import Final

from examples.demo.stage import TIEBEAM
from examples.demo.telling import paint, say

SECRET: Final = 100
"""A word as long as this is a token; nobody wants to read it."""


def tiebeam(config: Path, *arguments: str, expect: int = 0) -> str:
    """Return what the command prints, as an operator sees it."""
    shown = (word if len(word) < SECRET else word[:12] + "…" for word in arguments)
    say(paint(f"$ tiebeam {' '.join(shown)}", "bold"))
    command = [*TIEBEAM, *arguments, "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if ended.returncode != expect:
        raise RuntimeError(f"It ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout.strip()


def show(text: str) -> None:
    """Show what a command has printed."""
    for line in text.splitlines():
        say(paint(line, "dim"))
