"""`make bench`: take every figure, print them, and write the medians to `bench/results/latest.json`."""

import argparse
import asyncio
import json
import os
import platform
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import egress, product, release, transfer
from bench.rounds import Spread, in_turns, table

RESULTS: Final = Path(__file__).parent / "results"


async def figures(rounds: int) -> dict[str, Spread]:
    """Return every figure, all of them measured in turns."""
    async with AsyncExitStack() as stack:
        measures = [await stack.enter_async_context(part.measured()) for part in (egress, product, release, transfer)]
        return await in_turns(measures, rounds)


def write(found: dict[str, Spread], rounds: int) -> Path:
    """Write the medians where a comparison looks for them."""
    report = {
        "figures": {name: round(one.middle, 3) for name, one in found.items()},
        "spreads": {name: [round(value, 3) for value in one] for name, one in found.items()},
        "rounds": rounds,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "latest.json"
    file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return file


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found = asyncio.run(figures(rounds))
    print(table(found))
    print(f"\nMedians of {rounds} rounds: {write(found, rounds)}")


if __name__ == "__main__":
    main()
