"""Load by `wrk`: so many connections that ask again as soon as they are answered; and what that costs the server."""

import asyncio
import re
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bench.processes import cpu_s

CONNECTIONS: Final = 32
SECONDS: Final = 2
"""A round of one contender; wrk takes whole seconds."""


class Contender(NamedTuple):
    """A server that is measured, and the one request that it is asked."""

    name: str
    pid: int
    url: str
    headers: Mapping[str, str] = {}


class Load(NamedTuple):
    """What a server bore."""

    requests: int
    """Those that were answered with success."""
    per_s: float
    failed: float
    """The share of requests that were not."""
    cpu_us: float
    """For each of those: of the server's processes, in user and in kernel mode."""


async def loaded(contender: Contender, seconds: int = SECONDS) -> Load:
    """Return what the server bears; raises RuntimeError where it answers nothing, or connections break."""
    fields = [part for name, value in contender.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *fields, contender.url]
    before = cpu_s(contender.pid)
    said = await _said(command)
    took = cpu_s(contender.pid) - before
    return counted(said, took, contender.name)


def counted(said: str, cpu_s: float, name: str) -> Load:
    """Return what `wrk` counted; raises RuntimeError where the server did not answer as it should."""
    whole, per_s = re.search(r"(\d+) requests in ", said), re.search(r"Requests/sec: +([\d.]+)", said)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if whole is None or per_s is None or "Socket errors" in said:
        raise RuntimeError(f"{name} did not answer. wrk said: {said}")
    requests, wrong = int(whole[1]), int(failed[1]) if failed else 0
    if wrong == requests:
        raise RuntimeError(f"{name} answered nothing with success. wrk said: {said}")
    share = wrong / requests
    return Load(requests - wrong, float(per_s[1]) * (1 - share), share, cpu_s / (requests - wrong) * 1e6)


async def in_turn(contenders: Sequence[Contender], group: str) -> tuple[dict[str, Load], dict[str, float]]:
    """Return what each of them bears, one after the other, and the same as figures of the group."""
    found = {contender.name: await loaded(contender) for contender in contenders}
    figures: dict[str, float] = {}
    for name, load in found.items():
        figures |= {f"{group}_{name}_per_s": load.per_s, f"{group}_{name}_cpu_us": load.cpu_us}
        figures[f"{group}_{name}_failed"] = load.failed
    return found, figures


async def _said(command: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    said, _ = await process.communicate()
    return said.decode()
