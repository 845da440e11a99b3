"""A second process with an edge of its own, which shares nothing but the counters.

`python -m tests.edge_elsewhere COUNTERS FOLDER METHOD TARGET` sends one request; COUNTERS is a file, or Valkey's URL.
"""

import asyncio
import sys
from pathlib import Path

from gateway.counters import Counters
from gateway.counters.local import LocalCounters
from gateway.counters.valkey import ValkeyCounters
from gateway.secret import Secret
from tests.edge_world import World, open_edge_store
from tests.fakes.clock import Clock

BOUND_S = 60.0
"""A machine that is busy is not what these tests are about."""


def counters_at(where: str) -> Counters:
    """Return the counters that lie there."""
    shared = where.startswith("redis://")
    return ValkeyCounters(Secret(where), bound_s=BOUND_S) if shared else LocalCounters(Path(where))


async def main(where: str, folder: str, method: str, target: str) -> int:
    """Return the status of the request."""
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{folder}/elsewhere.sqlite", clock)
    counters = counters_at(where)
    world = World(Path(folder), store, clock, counters=counters)
    reply = await world.send(method, target)
    await counters.close()
    await store.close()
    return reply.status


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(main(*sys.argv[1:]))))
