"""A service of several processes, from what the chart renders: replaced one by one, as a cluster does it.

Callers reach it through a balancer that knows what a Service knows: who says that it is ready. Nothing is sent twice.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from examples.servers.start import free_port
from gateway import token_minting
from gateway.durable.migrate import migrate
from tests.chart import Object, mounted, rendered, values
from tests.fakes.composed import UNHINDERED
from tests.faults.volume_firm import upstream
from tests.faults.volume_ports import VENDOR

LOOK_EVERY_S: Final = 0.15
DRAIN_S: Final = 6.0
"""Many looks of the balancer: on a busy machine one of them takes a second."""
UP_WITHIN_S: Final = 120.0
ENDS_WITHIN_S: Final = 60.0
ISSUER: Final = "https://login.example.com/"
AUDIENCE: Final = "tiebeam"
SHIPPED: Final = Path("sample/templates/delivery_standard.yaml")
CLOCKS: Final = {"poll_interval_s": 0.1, "worker_lease_s": 10.0, "retry_interval_s": 0.1}


def of_chart(vendor_url: str) -> list[Object]:
    """Return what the chart renders for a firm whose systems are the vendor process."""
    unhindered = [row | {"when_unavailable": "allow"} for row in UNHINDERED]  # A busy machine makes Valkey seem away.
    policies = {"policies": [*unhindered, upstream(10.0)]}
    found = rendered(
        values(
            "service",
            settings__issuers=[{"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": "secrets/keys.json"}],
            settings__processes=CLOCKS,
            settings__http__drain_s=DRAIN_S,
            policies__files={"90-rolling.yaml": yaml.safe_dump(policies)},
            templates__files={SHIPPED.name: SHIPPED.read_text("utf-8")},
            **{"secrets__files__keys.json": {"secret": "tiebeam", "key": "keys"}},
        )
    )
    for one in found:
        if one["kind"] == "ConfigMap" and "tiebeam.yaml" in one["data"]:
            one["data"]["tiebeam.yaml"] = _on_vendor(one["data"]["tiebeam.yaml"], vendor_url)
    return found


def _on_vendor(text: str, vendor_url: str) -> str:
    """Return the settings with a connector of tests, which no chart would let through, behind each connection."""
    settings = yaml.safe_load(text)
    for connection in settings["connections"].values():
        connection |= {"vendor": VENDOR, "settings": {"base_url": vendor_url, "settle_s": 0.2}}
    return str(yaml.safe_dump(settings))


class Service:
    """The processes of both kinds, each in a place of its own, as a pod is."""

    def __init__(self, folder: Path, manifests: list[Object], database_url: str, redis_url: str) -> None:
        self.folder, self._manifests, self._numbers = folder, manifests, count()
        self.database_url = database_url
        self._keys = folder / "login"
        keys = token_minting.ensure_development_key(self._keys).read_text("utf-8")
        self._secrets = {
            "database-url": database_url,
            "redis-url": redis_url,
            "keys": keys,
            "installation-key": "one key for all of them",
            "erp-password": "none",
            "psa-password": "none",
        }
        self.balancer = Balancer()
        self.processes: dict[str, list[Pod]] = {"web": [], "worker": []}
        self.codes: list[int] = []
        """With what the processes ended that were told to."""

    def token(self, scopes: Sequence[str]) -> str:
        """Return a token for everything of the scopes."""
        grant = token_minting.Grant(
            client_id="crm", scopes=tuple(scopes), legal_entities="*", customers=None, projects=None
        )
        return token_minting.mint(self._keys, grant, issuer=ISSUER, audience=AUDIENCE)

    async def grow(self, component: str) -> "Pod":
        """Return one more process, once it is ready."""
        place = self.folder / f"{component}-{next(self._numbers)}"
        found = mounted(self._manifests, component, place, self._secrets)
        (place / "data").mkdir()
        (place / "data/installation-key").write_text(self._secrets["installation-key"])
        another = Pod(component, found.config, found.environ)
        await another.start()
        self.processes[component].append(another)
        await another.ready()
        if component == "web":
            self.balancer.add(another.url)
        return another

    async def replace(self, component: str) -> None:
        """Let a new process be ready, then the oldest one go."""
        oldest = self.processes[component][0]
        await self.grow(component)
        self.processes[component].remove(oldest)
        self.codes.append(await oldest.stopped())
        self.balancer.forget(oldest.url)

    async def stop(self) -> list[int]:
        """Return with what the rest ended."""
        return [await one.stopped() for ones in self.processes.values() for one in ones]

    def kill(self) -> None:
        """Leave nobody behind."""
        for one in (one for ones in self.processes.values() for one in ones):
            one.kill()

    def said(self) -> str:
        """Return the end of what each process said."""
        return "\n".join(f"{log}:\n{log.read_text()[-1500:]}" for log in sorted(self.folder.glob("*/log")))


class Pod:
    """One process, and where it can be asked how it is."""

    def __init__(self, component: str, config: Path, environ: dict[str, str]) -> None:
        self._component, self._config, port = component, config, free_port()
        self.url = f"http://127.0.0.1:{port}"
        section = {"web": "HTTP", "worker": "WORKER"}[component]
        listens = {f"TIEBEAM__{section}__HOST": "127.0.0.1", f"TIEBEAM__{section}__PORT": str(port)}
        self._environ = os.environ | environ | listens
        self._child: Child | None = None

    async def start(self) -> None:
        """Start it."""
        with (self._config.parent / "log").open("w") as log:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.rolling_process", self._component, self._config),
                env=self._environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self) -> None:
        """Return once it says so."""
        end = time.monotonic() + UP_WITHIN_S
        async with httpx.AsyncClient() as asking:
            while time.monotonic() < end and self._running.returncode is None:
                if await is_ready(asking, self.url):
                    return
                await asyncio.sleep(LOOK_EVERY_S)
        raise AssertionError(f"It did not become ready: {(self._config.parent / 'log').read_text()[-4000:]}")

    async def stopped(self) -> int:
        """Tell it to stop as a cluster does, and return with what it ended."""
        self._running.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._running.wait(), ENDS_WITHIN_S)

    def kill(self) -> None:
        """End it and what it started, if it runs."""
        if self._child and self._child.returncode is None:
            os.killpg(self._child.pid, signal.SIGKILL)

    @property
    def _running(self) -> Child:
        assert self._child
        return self._child


async def is_ready(asking: httpx.AsyncClient, url: str) -> bool:
    """Tell what a probe would say."""
    with contextlib.suppress(httpx.TransportError):
        return (await asking.get(f"{url}/health/ready")).is_success
    return False


class Balancer:
    """Sends each call to the next web process that said that it is ready when it was last asked."""

    def __init__(self) -> None:
        self._ready: dict[str, bool] = {}
        self._turns = count()
        self.served: dict[str, int] = {}
        self.failed: list[str] = []
        self._http = httpx.AsyncClient(timeout=30)

    def add(self, url: str) -> None:
        """Send there from now on."""
        self._ready[url] = True

    def forget(self, url: str) -> None:
        """Ask it no more how it is."""
        self._ready.pop(url, None)

    async def call(self, method: str, path: str, **sent: Any) -> httpx.Response | None:  # noqa: ANN401 - httpx's own
        """Return the answer; one that is no success, or none at all, is noted as failed."""
        ready = [url for url, is_one in self._ready.items() if is_one]
        if not ready:
            self.failed.append(f"{method} {path}: nobody is ready")
            return None
        url = ready[next(self._turns) % len(ready)]
        self.served[url] = self.served.get(url, 0) + 1
        try:
            answer = await self._http.request(method, url + path, **sent)
        except httpx.TransportError as error:
            self.failed.append(f"{method} {url}{path}: {error!r}")
            return None
        if not answer.is_success:
            self.failed.append(f"{method} {url}{path}: {answer.status_code} {answer.text}")
        return answer

    async def watch(self) -> None:
        """Ask each how it is, again and again."""
        async with httpx.AsyncClient(timeout=5) as asking:
            while True:
                urls = list(self._ready)
                found = await asyncio.gather(*(is_ready(asking, url) for url in urls))
                self._ready |= {url: is_one for url, is_one in zip(urls, found, strict=True) if url in self._ready}
                await asyncio.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()


@asynccontextmanager
async def service(folder: Path, vendor_url: str, database_url: str, redis_url: str) -> AsyncIterator[Service]:
    """Give two processes of each kind, ready, and a balancer that watches them."""
    opened = Service(folder, of_chart(vendor_url), database_url, redis_url)
    await asyncio.to_thread(migrate, database_url)
    watching = asyncio.create_task(opened.balancer.watch())
    try:
        await asyncio.gather(*(opened.grow(component) for component in ("web", "web", "worker", "worker")))
        yield opened
    finally:
        watching.cancel()
        await opened.balancer.close()
        opened.kill()
