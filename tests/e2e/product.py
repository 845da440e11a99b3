"""The composed product in this process, with systems behind it that only count who calls them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from examples.demo.stage import installation
from gateway import commands, main
from gateway.durable import migrate
from gateway.edge import Edge
from gateway.egress.limits import Part
from gateway.main import Parts
from gateway.settings import Settings, load
from tests.scripted_server import ScriptedServer, scripted_server


class Product:
    """What callers reach, and how often the systems behind were called."""

    def __init__(self, settings: Settings, parts: Parts, edge: Edge, upstream: ScriptedServer) -> None:
        self.settings, self.parts, self.edge, self.upstream = settings, parts, edge, upstream

    def client(self, **limits: tuple[str, ...]) -> httpx.AsyncClient:
        """Return a client whose token is limited like that."""
        token = commands.development_token(self.settings, commands.Claims(client="crm", **limits), 3600)
        return self.stranger({"Authorization": f"Bearer {token}"})

    def stranger(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        """Return a client with these headers only."""
        transport = httpx.ASGITransport(self.edge)  # type: ignore[arg-type]  # ASGI, as the edge types it.
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


@asynccontextmanager
async def product(folder: Path) -> AsyncIterator[Product]:
    """Compose the product as `tiebeam serve` does, and take it apart afterwards."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_server())
        ready = {"base_url": upstream.url, "password": "hunter2-hunter2"}
        settings = load(str(installation(folder / "installation", ready)), {})
        settings.data.mkdir()
        migrate.migrate(settings.database_url)
        parts = main.parts(main.read(settings), Part.whole)
        stack.push_async_callback(parts.aclose)
        yield Product(settings, parts, main.web(parts), upstream)
