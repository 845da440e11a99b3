"""Counters in Redis or Valkey: exact across replicas, in one round trip, and never waited for longer than 50 ms."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.counters import CountersAway, Draw, Limit, bucket
from gateway.secret import Secret

BOUND_S: Final = 0.05
OPEN_S: Final = 1.0
"""How long nobody asks after a failure, so that an outage costs its 50 ms once and not for each call."""

TAKE: Final = """
local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local cost, full = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = tat + cost - full - now
if wait > 0 then return {math.ceil(wait), string.format('%.0f', tat - now)} end
tat = tat + cost
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
return {0, string.format('%.0f', tat - now)}
"""
"""Microseconds by the server's clock: replicas' clocks need not agree."""


class Circuit:
    """Lets a call through, unless one has just failed; then one a while, as a probe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, open_s: float = OPEN_S) -> None:
        self._clock, self._open_s, self._opens_at = clock, open_s, 0.0

    def check(self) -> None:
        """Return where a call may try; raises CountersAway while the circuit is open."""
        if self._opens_at > self._clock():
            raise CountersAway("The last call failed; nobody asks again just yet.")
        if self._opens_at:
            self._opens_at = self._clock() + self._open_s  # This call is the probe; the others still wait.

    def fail(self) -> None:
        """Open the circuit."""
        self._opens_at = self._clock() + self._open_s

    def succeed(self) -> None:
        """Close the circuit."""
        self._opens_at = 0.0


class ValkeyCounters:
    """Counters shared by every replica that has the same URL."""

    def __init__(self, url: Secret, circuit: Circuit | None = None) -> None:
        self._redis = Redis.from_url(
            url.reveal(), socket_timeout=BOUND_S, socket_connect_timeout=BOUND_S, retry=Retry(NoBackoff(), 0)
        )
        self._take = self._redis.register_script(TAKE)  # Loads itself again where a restart forgot it.
        self._circuit = circuit or Circuit()

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return (await self.draw(name, rate, burst, cost)).wait_s

    async def draw(self, name: str, rate: float, burst: float, cost: float = 1.0) -> Draw:
        """Return what became of one take."""
        arguments = [round(cost / rate * 1e6), round(burst / rate * 1e6)]
        async with self._asking():
            wait, used = await self._take(keys=[f"tiebeam:bucket:{name}"], args=arguments)
        used_s = int(used) / 1e6
        left = bucket.left_of(bucket.pace_of(Limit(name, rate, burst, cost)), used_s)
        return Draw(int(wait) / 1e6, left, used_s)

    async def generations(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the present generation of each name."""
        async with self._asking():
            numbers: list[Any] = await self._redis.mget([f"tiebeam:generation:{name}" for name in names])
        return tuple(int(number or 0) for number in numbers)

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation."""
        async with self._asking():
            pipeline = self._redis.pipeline()
            for name in names:
                pipeline.incr(f"tiebeam:generation:{name}")
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        self._circuit.check()
        try:
            async with asyncio.timeout(BOUND_S):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            self._circuit.fail()
            raise CountersAway("The shared counters do not answer.") from error
        self._circuit.succeed()
