"""The Containerfile, read as far as a test has to: its stages, and what they are told."""

from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]


class Told(NamedTuple):
    """One instruction."""

    word: str
    rest: str


def stages() -> list[list[Told]]:
    """Return the instructions of each stage."""
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    told = [Told(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]
    starts = [place for place, one in enumerate(told) if one.word == "FROM"]
    return [told[start:end] for start, end in zip(starts, [*starts[1:], len(told)], strict=True)]


def of(stage: list[Told], word: str) -> list[str]:
    """Return what the stage is told with the word."""
    return [one.rest for one in stage if one.word == word]
