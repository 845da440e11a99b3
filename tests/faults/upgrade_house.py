"""One installation that processes of two releases serve: its folder, its database, and who runs where."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from sqlalchemy import update

from examples.servers.start import free_port
from gateway.store import worker_leases
from gateway.store.database import Store, create_engine
from gateway.store.write_intents import tb_write_intent
from gateway.store.write_slots import tb_write_slot
from gateway.token_minting import Grant, mint
from tests.fakes.composed import UNHINDERED
from tests.faults.rolling_stage import is_ready
from tests.faults.toy_workers import pid_of
from tests.faults.upgrade_systems import Systems
from tests.faults.volume_firm import upstream
from tests.releases import ROOT, THIS, Release

PROGRAM: Final = "tests.faults.upgrade_process"
LENT: Final = ("rolling_ports.py", "upgrade_process.py")
"""What the old release's tests have otherwise, or not at all: it is no part of the release."""
OWNERS: Final = "sample/ownership.yaml"
DATES: Final = "policies/lifecycle.yaml"
DRAINS: Final = "gateway/draining.py"
ISSUER: Final = "https://tiebeam.example/development"
AUDIENCE: Final = "tiebeam"
LOOK_EVERY_S: Final = 0.1
WITHIN_S: Final = 180.0
LEASE_S: Final = 60.0
"""A busy machine stalls a worker, and a system that is called, for seconds; see `House.bury` for who is dead."""
CLOCKS: Final = {
    "retry_interval_s": 0.1,
    "probes_s": [0.5, 1.0, 2.5],
    "poll_interval_s": 0.1,
    "unavailable_resume_s": 0.5,
    "write_lease_s": LEASE_S,
    "worker_lease_s": LEASE_S,
}
A_DAY: Final = 86_400
BY_HAND: Final = {"poll_s": A_DAY, "sweep_s": A_DAY, "retry_rejected_s": A_DAY}
"""Time is taken over when somebody asks."""
DRAINING: Final = {"TIEBEAM__HTTP__DRAIN_S": "0.2"}
"""Whoever is told to stop is called by nobody any more. 0.1.0 knows no such setting."""


class House:
    """The installation's folder, and how its processes are started, watched and ended."""

    def __init__(self, folder: Path, old: Release, new: Release, url: str) -> None:
        self.old, self.new, self._folder = old, new, folder
        self.installation = folder / "installation"
        self.held = folder / "held"
        self.held.mkdir()
        self._store = Store(create_engine(url))
        self._all: list[Running] = []

    @property
    def config(self) -> Path:
        """Return the settings file, which both releases read."""
        return self.installation / "tiebeam.yaml"

    def settle(self, systems: Systems, url: str, redis: str) -> None:
        """Write what the old release's `tiebeam init` does, and enter the systems, both databases, and quick clocks."""
        shutil.copytree(self.old.tree / "sample", self.installation)
        shutil.copytree(self.old.tree / "policies", self.installation / "policies")
        settings: dict[str, Any] = yaml.safe_load(self.config.read_text())
        systems.enter(settings, self.installation)
        for name, address in (("database", url), ("redis", redis)):
            (self.installation / f"{name}-url").write_text(address)
            settings[name] = {"url": {"file": f"{name}-url"}}
        settings["processes"] |= CLOCKS
        settings["transfer"] |= BY_HAND
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False))
        # A busy machine makes Valkey seem away.
        rows = [*(row | {"when_unavailable": "allow"} for row in UNHINDERED), upstream(10.0)]
        (self.installation / "policies" / "90-upgrade.yaml").write_text(yaml.safe_dump({"policies": rows}))

    def say_who_owns(self) -> None:
        """Write what the new release does not start without, unless the old one had it."""
        if not self.old.ships(OWNERS):
            shutil.copy(self.new.tree / OWNERS, self.installation)

    def say_until_when(self) -> None:
        """Write the dates of versions, unless they are there: one that does not know them does not start with them."""
        if not self.old.ships(DATES):
            shutil.copy(self.new.tree / DATES, self.installation / "policies")

    async def tiebeam(self, release: Release, *given: object) -> str:
        """Return what a command of the release said."""
        return await asyncio.to_thread(release.do, "-m", PROGRAM, self.held, *given, "--config", self.config)

    def token(self, client: str, *scopes: str) -> str:
        """Return a token of the development issuer, whose key both releases have."""
        grant = Grant(client_id=client, scopes=scopes, legal_entities="*", lifetime_s=A_DAY)
        return mint(self.installation / "data", grant, issuer=ISSUER, audience=AUDIENCE)

    async def web(self, release: Release) -> "Running":
        """Return a web process, once it is ready."""
        port = free_port()
        running = await self._start(release, ("serve", "--no-worker"), {"TIEBEAM__HTTP__PORT": str(port)})
        running.url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient() as asking:
            await running.until(lambda: is_ready(asking, running.url))
        return running

    async def worker(self, release: Release) -> "Running":
        """Return a worker, once it works."""
        running = await self._start(release, ("worker",), {})

        async def works() -> bool:
            async with self._store.begin() as connection:
                leases = await connection.run_sync(worker_leases.list_all)
            return running.pid in {pid_of(one) for one in leases.living}

        await running.until(works)
        return running

    async def bury(self, worker: "Running") -> None:
        """Let what a dead worker held be free now, and not when its leases run out. Nobody else may be writing."""
        async with self._store.begin() as connection:
            held = await connection.run_sync(worker_leases.list_all)
            (dead,) = (one for one in held.living if pid_of(one) == worker.pid)
            await connection.run_sync(worker_leases.end, dead)
            for lease in (tb_write_intent.c.lease_until, tb_write_slot.c.until):
                now = {lease: self._store.now()}
                await connection.execute(update(lease.table).where(lease.is_not(None)).values(now))

    def reached(self, worker: "Running") -> set[str]:
        """Return the steps in which the worker stays."""
        reached = self.held / "reached"
        lines = reached.read_text().splitlines() if reached.exists() else []
        return {line.split()[-1] for line in lines if line.startswith(f"{worker.pid} ")}

    async def _start(self, release: Release, command: Sequence[str], environ: dict[str, str]) -> "Running":
        draining = DRAINING if release.ships(DRAINS) else {}
        log = self._folder / f"{len(self._all)}-{release.name}-{command[0]}.log"
        with log.open("w") as said:
            child = await asyncio.create_subprocess_exec(
                *release.command("-m", PROGRAM, self.held, *command, "--config", self.config),
                cwd=release.tree,
                env=release.environment | draining | environ,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        running = Running(child, log)
        self._all.append(running)
        return running

    def said(self) -> str:
        """Return the end of what each process said."""
        return "\n".join(one.said() for one in self._all)

    async def close(self) -> None:
        """Leave nobody behind."""
        for one in self._all:
            await one.kill()
        await self._store.close()


class Running:
    """One process of a release."""

    def __init__(self, child: Child, log: Path) -> None:
        self._child, self._log = child, log
        self.url = ""
        """Where it answers, if it is a web process."""

    @property
    def pid(self) -> int:
        """Return its number."""
        return self._child.pid

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Return once it holds; raises AssertionError where the process has ended before."""
        end = time.monotonic() + WITHIN_S
        while not await holds():
            assert self._child.returncode is None and time.monotonic() < end, self.said()  # noqa: PT018 - one thing
            await asyncio.sleep(LOOK_EVERY_S)

    def tell(self) -> None:
        """Tell it to stop."""
        self._child.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Return with what it ended."""
        return await asyncio.wait_for(self._child.wait(), WITHIN_S)

    async def kill(self) -> None:
        """End it and what it started as a machine does that loses its power."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            await self._child.wait()

    def said(self) -> str:
        """Return the end of what it said."""
        return f"{self._log.name}: {self._log.read_text()[-4000:]}"


@asynccontextmanager
async def house(folder: Path, old: Release, systems: Systems, url: str, redis: str) -> AsyncIterator[House]:
    """Give an installation of the old release, nothing of which runs yet; at the end nothing does."""
    for name in LENT:
        shutil.copy(ROOT / "tests" / "faults" / name, old.tree / "tests" / "faults")
    opened = House(folder, old, THIS, url)
    await asyncio.to_thread(opened.settle, systems, url, redis)
    await opened.tiebeam(old, "migrate")
    try:
        yield opened
    except Exception as error:
        error.add_note(opened.said())
        raise
    finally:
        await opened.close()
