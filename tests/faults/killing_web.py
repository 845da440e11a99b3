"""The product's web process on strict fakes, that kills itself around the record of an idempotency key.

In the installation's folder, the file `kill` names a moment, and is gone once that has been done:

- `taken`: the key is taken, and nothing has happened;
- `effect`: everything has happened, and the answer is not recorded;
- `recorded`: the answer is recorded, and nobody has got it.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Final

from gateway import commands, main
from gateway.edge import kit
from gateway.edge.answers import App
from gateway.egress.limits import Part
from gateway.settings import Settings, load
from gateway.store.idempotency_records import IdempotencyRecords, Kept, Record, RecordKey
from tests.fakes.composed import on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

MOMENTS: Final = ("taken", "effect", "recorded")
ORDER: Final = "kill"


class MortalRecords(IdempotencyRecords):
    """The table, in a process that may die beside it."""

    order: Path

    def _strike(self, moment: str) -> None:
        if self.order.exists() and self.order.read_text() == moment:
            self.order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    async def take(
        self, key: RecordKey, fingerprint: str, holder: str, *, lease_s: float, keep_s: float
    ) -> Record | None:
        """Take the key, and die."""
        record = await super().take(key, fingerprint, holder, lease_s=lease_s, keep_s=keep_s)
        if record is None:
            self._strike("taken")
        return record

    async def keep(self, key: RecordKey, holder: str, kept: Kept) -> None:
        """Die before the answer is recorded, or after that."""
        self._strike("effect")
        await super().keep(key, holder, kept)
        self._strike("recorded")


def order_of(settings: Settings) -> Path:
    """Return the file that says where the process dies."""
    return settings.data / ORDER


def application() -> App:
    """Return the web process's application; what Granian calls in the process that serves."""
    settings = load()
    parts = on_fakes(main.parts(main.read(settings), Part.web), FakeErp(), FakePsa())
    MortalRecords.order = order_of(settings)
    kit.__dict__["IdempotencyRecords"] = MortalRecords  # In this process only.
    return main.web(parts)


if __name__ == "__main__":
    of_file = load(sys.argv[-1])
    commands.prepare(of_file)
    commands.server(of_file, f"{__spec__.name}:application").serve()
