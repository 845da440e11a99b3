"""An identity provider on a real socket, and a verifier that fetches its keys; time stands still between the two."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.identity import Verifier
from gateway.keys import KeyRing, KeyTimes, Tools, TrustedIssuer
from tests.scripted_server import Behaviour, ScriptedServer, answer, scripted_server
from tests.tokens import AUDIENCE, ISSUER, KEYS, OTHER, Clock


class IssuerWorld:
    """Publishes `keys`, unless the server's script has something else for the next request."""

    def __init__(self, server: ScriptedServer, times: KeyTimes) -> None:
        self.server, self.clock = server, Clock()
        self.pauses: asyncio.Queue[float] = asyncio.Queue()
        self.fraction = 0.0
        self._over = asyncio.Event()
        self.headers: Mapping[str, str] = {}
        self.publish(*KEYS)
        issuers = [
            TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_url=f"{server.url}/keys", times=times),
            TrustedIssuer(issuer=OTHER, audience=AUDIENCE, jwks_url=f"{server.url}/theirs", times=times),
        ]
        tools = Tools(clock=self.clock, sleep=self._sleep, fraction=lambda: self.fraction)
        self.ring = KeyRing(issuers[:1], tools)
        self.both = KeyRing(issuers, tools)
        self.verifier = Verifier(self.ring, self.clock)

    def publish(self, *keys: dict[str, Any]) -> None:
        """Let the set be these keys from the next request on."""
        self._body = json.dumps({"keys": keys}).encode()

    @property
    def fetches(self) -> int:
        """Return how often the keys were asked for."""
        return len(self.server.received)

    def is_away(self, *behaviours: Behaviour) -> None:
        """Let the provider do these to the next requests."""
        self.server.then(*behaviours)

    async def serve(self, writer: asyncio.StreamWriter) -> None:
        """Answer with the keys."""
        await answer(body=self._body, headers=self.headers)(writer)

    async def slept(self) -> float:
        """Return how long whoever keeps keys fresh wants to sleep now."""
        return await self.pauses.get()

    async def wake(self, after_s: float) -> float:
        """Let the time pass, and whoever sleeps go on; return how long they want to sleep next."""
        self.clock.now += after_s
        self._over.set()
        return await self.slept()

    async def _sleep(self, seconds: float) -> None:
        self.pauses.put_nowait(seconds)
        await self._over.wait()
        self._over.clear()


@asynccontextmanager
async def issuer_world(times: KeyTimes | None = None) -> AsyncIterator[IssuerWorld]:
    """Give a provider of its own."""
    async with scripted_server() as server:
        world = IssuerWorld(server, times or KeyTimes())
        server.otherwise = world.serve
        try:
            yield world
        finally:
            await world.verifier.close()
            await world.both.close()
