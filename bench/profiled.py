"""`python -m bench.profiled`: where the CPU of a request goes, by function, sampled while the gateway is under load.

Only the thread that runs Python is sampled; shares are scaled to the CPU that it takes for a request without a sampler.
What stands as `loop` is the event loop's own: sockets, and handing over to the server's threads.
"""

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.contenders import all as contenders
from bench.processes import cpu_s, family, thread_cpu_s
from bench.uncached import FRESH
from bench.wrk import Contender, loaded

PER_S, SECONDS = 400, 6
SHOWN: Final = 40
SERVED_BY: Final = re.compile(r"_spawn_\w+_worker[^;]*")
"""The server's function that runs the event loop."""


def main() -> None:
    """Sample, and print."""
    parser = argparse.ArgumentParser(prog="bench.profiled", description=__doc__)
    parser.add_argument("--valkey", action="store_true", help="With a Valkey.")
    parser.add_argument("--uncached", action="store_true", help="A read that goes to the other system.")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        on = stack.enter_context(contenders.stage())
        ours = stack.enter_context(contenders.with_valkey(on))[0] if options.valkey else on.gateway
        if options.uncached:
            ours = ours._replace(headers=dict(ours.headers) | FRESH)
        print(profile(ours))


def profile(contender: Contender) -> str:
    """Return the table of what costs most, with and without what is called."""
    asyncio.run(loaded(contender))
    before = {pid: cpu_s(pid) for pid in family(contender.pid)}
    threads = {pid: thread_cpu_s(pid) for pid in before}
    load = asyncio.run(loaded(contender))
    worker = max(before, key=lambda pid: _own(pid, before))
    of_python_us = (thread_cpu_s(worker) - threads[worker]) / load.requests * 1e6
    alone, whole = shares(_sampled(contender, worker))
    head = f"{load.per_s:,.0f} requests/s, {load.cpu_us:.0f} µs CPU each, {of_python_us:.0f} of them in Python's thread"
    return "\n".join([head, *_lines("alone", alone, of_python_us), *_lines("with what it calls", whole, of_python_us)])


def shares(lines: Iterable[str]) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return each function's share of the samples: itself on top, and anywhere below."""
    alone, whole = Counter[str](), Counter[str]()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        server = SERVED_BY.search(stack)
        if server is None:
            continue  # Another thread, which py-spy takes for busy while it waits in native code.
        frames = ["loop", *map(_function, stack[server.end() :].split(";")[1:])]
        alone[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    total = alone.total() or 1
    return ({name: n / total for name, n in alone.items()}, {name: n / total for name, n in whole.items()})


def _function(frame: str) -> str:
    return frame.rpartition(":")[0] + ")" if ":" in frame else frame


def _own(pid: int, before: Mapping[int, float]) -> float:
    """Return what a process itself has taken since; of a family the youngest member does the work."""
    below = [one for one in family(pid) if one != pid]
    return cpu_s(pid) - before[pid] - sum(cpu_s(one) - before.get(one, 0.0) for one in below)


def _sampled(contender: Contender, worker: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "stacks")
        sampler = Path(sys.executable).with_name("py-spy")
        command: list[str | Path] = [
            sampler,
            "record",
            "-p",
            str(worker),
            "-r",
            str(PER_S),
            "-d",
            str(SECONDS),
            "-f",
            "raw",
            "-t",
            "-o",
        ]
        with subprocess.Popen([*command, file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603 - py-spy, as asked
            time.sleep(0.5)  # It attaches.
            asyncio.run(loaded(contender, SECONDS))
        return file.read_text("utf-8").splitlines()


def _lines(title: str, found: Mapping[str, float], of_us: float) -> Iterator[str]:
    yield f"\nµs a request, {title}"
    for name, share in Counter(found).most_common(SHOWN):
        yield f"{share * of_us:8.1f}  {name}"


if __name__ == "__main__":
    main()
