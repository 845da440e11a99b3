"""What is kept of a run: `bench/results/latest.json`, for comparisons, and its picture, for people.

A run of some parts replaces what is known of those, and leaves the others as they are.
"""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench import picture
from bench.contenders import all as contenders
from bench.rounds import Spread
from bench.targets import TARGETS

RESULTS: Final = Path(__file__).parent / "results"
LATEST: Final = "latest.json"
PICTURE: Final = "cached.svg"
Report = dict[str, Any]


def keep(found: Mapping[str, Mapping[str, Spread]], rounds: int, folder: Path = RESULTS) -> Path:
    """Write what was found of each part beside what is known of the others; return where."""
    folder.mkdir(exist_ok=True)
    file = folder / LATEST
    known: Report = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps(joined(known, found, rounds), indent=2) + "\n", "utf-8")
    if "cached" in found:
        (folder / PICTURE).write_text(picture.drawn(found["cached"]), "utf-8")
    return file


def joined(known: Report, found: Mapping[str, Mapping[str, Spread]], rounds: int) -> Report:
    """Return the report with these parts in it, and without figures of theirs that are no longer taken."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    parts = known.get("parts", {}) | {
        name: {"rounds": rounds, "measured_at": now, "figures": list(figures)} for name, figures in found.items()
    }
    new = {name: one for figures in found.values() for name, one in figures.items()}
    named = {name for part in parts.values() for name in part["figures"]}
    medians = known.get("figures", {}) | {name: round(one.middle, 3) for name, one in new.items()}
    intervals = known.get("intervals", {}) | {
        name: [round(one.low, 3), round(one.high, 3)] for name, one in new.items()
    }
    spreads = known.get("spreads", {}) | {name: [round(value, 3) for value in one[:3]] for name, one in new.items()}
    return {
        "figures": {name: value for name, value in medians.items() if name in named},
        "intervals": {name: value for name, value in intervals.items() if name in named},
        "spreads": {name: value for name, value in spreads.items() if name in named},
        "targets": {
            name: {"target": str(target), "met": target.is_met(medians[name])}
            for name, target in TARGETS.items()
            if name in medians and name in named
        },
        "parts": parts,
        "missing": contenders.missing(),
        "versions": contenders.versions(),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
    }
