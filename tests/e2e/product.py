"""The composed product in this process, behind it systems that only count who calls them, or strict fakes."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs

from examples.demo.stage import installation
from gateway import commands_tokens, main
from gateway.composition.parts import Installation, Parts
from gateway.durable import migrate
from gateway.edge.answers import App
from gateway.egress.limits import Part
from gateway.settings import Settings, Telemetry, load
from tests.fakes.composed import lift_quotas, on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.scripted_server import ScriptedServer, scripted_server

PASSWORD = "hunter2-hunter2"
FURTHER = ("finance:read",)
"""Scopes with which operations show or allow more; tests ask for them by name."""


class Product:
    """What callers reach, and how often the systems behind were called."""

    def __init__(self, settings: Settings, parts: Parts, edge: App, upstream: ScriptedServer | None = None) -> None:
        self.settings, self.parts, self.edge = settings, parts, edge
        self.scopes = tuple(scope for scope in commands_tokens.all_scopes(settings) if scope not in FURTHER)
        self._upstream = upstream

    @property
    def upstream(self) -> ScriptedServer:
        """Return the server that counts."""
        assert self._upstream
        return self._upstream

    def client(self, client: str = "crm", **limits: tuple[str, ...]) -> httpx.AsyncClient:
        """Return a client whose token is limited like that."""
        claims = commands_tokens.Claims(client=client, **({"scopes": self.scopes} | limits))
        token = commands_tokens.development_token(self.settings, claims, 3600)
        return self.stranger({"Authorization": f"Bearer {token}"})

    def stranger(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        """Return a client with these headers only."""
        transport = httpx.ASGITransport(self.edge)  # type: ignore[arg-type]  # ASGI, as the edge types it.
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


@asynccontextmanager
async def product(folder: Path, telemetry: Telemetry | None = None) -> AsyncIterator[Product]:
    """Compose the product as `tiebeam serve` does, and take it apart afterwards."""
    async with scripted_server() as upstream:
        settings = load(str(installation(folder / "installation", {"base_url": upstream.url, "password": PASSWORD})))
        settings = structs.replace(settings, telemetry=telemetry or settings.telemetry)
        async with _composed(settings) as parts:
            yield Product(settings, parts, main.web(parts), upstream)


@asynccontextmanager
async def product_on_fakes(
    folder: Path, erp: FakeErp, psa: FakePsa, **changed: dict[str, Any]
) -> AsyncIterator[Product]:
    """Compose the product with fakes as its systems; they serve a second legal entity, DE01, too.

    `changed` are fields of sections of the settings, such as the clocks of a worker that is waited for.
    """
    config = installation(folder / "installation", {"base_url": "http://127.0.0.1:9", "password": PASSWORD})
    lift_quotas(config)
    settings = load(str(config))
    sections = {name: structs.replace(getattr(settings, name), **fields) for name, fields in changed.items()}
    settings = structs.replace(settings, **sections)
    async with _composed(settings) as parts:
        composed = on_fakes(replace(parts, installation=_with_second_entity(parts.installation)), erp, psa)
        yield Product(settings, composed, main.web(composed))


def _with_second_entity(of_file: Installation) -> Installation:
    """Return the installation as it would be on connections that serve two; a ledger of Tryton serves one."""
    entities = of_file.settings.entities
    second = structs.replace(entities["ES01"], country="DE", code_pattern="DE-{number}")
    return replace(of_file, settings=structs.replace(of_file.settings, entities={**entities, "DE01": second}))


@asynccontextmanager
async def _composed(settings: Settings) -> AsyncIterator[Parts]:
    settings.data.mkdir()
    migrate.migrate(settings.database_url)
    async with aclosing(main.parts(main.read(settings), Part.web)) as parts:
        yield parts
