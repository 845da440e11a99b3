"""What was restored here, and when: a line each in the data directory, by which a gap in the audit is explained."""

from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct, json

FILE: Final = "restores.jsonl"


class Restored(Struct, frozen=True, kw_only=True):
    """One restore."""

    at: datetime
    backup_of: datetime
    """Everything that was written between the two is gone from our tables."""
    sha256: str
    """The archive's."""
    seal_before: str | None
    """Number and hash of the seal that this machine had made last, before."""
    seal_after: str | None
    """The same, as the backup has it."""

    def __str__(self) -> str:
        return (
            f"On {self.at:%Y-%m-%d at %H:%M} UTC the backup of {self.backup_of:%Y-%m-%d, %H:%M} UTC was restored here."
            f" What was written between the two is gone.{self._seals()}"
        )

    def _seals(self) -> str:
        if self.seal_before == self.seal_after or not self.seal_before:
            return ""
        after = f"seal {self.seal_after.partition(' ')[0]}" if self.seal_after else "none"
        return f" This machine's last seal had been {self.seal_before}; the backup's is {after}."


def note(folder: Path, restored: Restored) -> None:
    """Write a restore down."""
    with (folder / FILE).open("ab") as file:
        file.write(json.encode(restored) + b"\n")


def list_all(folder: Path) -> list[Restored]:
    """Return what was restored here, the oldest first."""
    try:
        lines = (folder / FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [json.decode(line, type=Restored) for line in lines]
