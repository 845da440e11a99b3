"""`make bench`: measure each part in rounds, print the figures beside their targets, and keep them.

A run of fewer than nine rounds is a quick look: it is printed, and nothing is kept of it.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Iterable
from typing import Final

from bench import cached, egress, overload, product, release, report, scaling, transfer, uncached
from bench.contenders import all as contenders
from bench.rounds import Spread, in_turns
from bench.targets import table

PARTS: Final = {
    "cached": cached,
    "uncached": uncached,
    "overload": overload,
    "scaling": scaling,
    "egress": egress,
    "product": product,
    "release": release,
    "transfer": transfer,
}
BY_WRK: Final = frozenset({"cached", "uncached", "overload", "scaling"})
ROUNDS: Final = 9


async def figures(parts: Iterable[str], rounds: int) -> dict[str, dict[str, Spread]]:
    """Return every figure of each part; one part at a time, so that nobody's servers disturb another's."""
    found = {}
    for name in parts:
        async with PARTS[name].measured() as measure:
            found[name] = await in_turns([measure], rounds)
        print(f"{table(found[name])}\n", flush=True)
    return found


def measurable(parts: Iterable[str]) -> list[str]:
    """Return those parts that can be measured with what is installed here."""
    return [name for name in parts if name not in BY_WRK or shutil.which("wrk")]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=PARTS, action="append", help="A part; may be repeated. Left out: all.")
    options = parser.parse_args()
    for one in contenders.missing():
        print(f"Not measured: {one}", file=sys.stderr)
    found = asyncio.run(figures(measurable(options.only or PARTS), options.rounds))
    if options.rounds >= ROUNDS:
        print(f"Medians of {options.rounds} rounds: {report.keep(found, options.rounds)}")


if __name__ == "__main__":
    main()
