"""Real processes that are told to stop: what callers get meanwhile, and with what they end."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import yaml

from examples.demo.stage import TIEBEAM, installation
from examples.servers.start import free_port
from tests.faults.slow_web import BEGUN

WITHIN_S = 180.0
LOOK_EVERY_S = 0.05
DRAIN_S = 0.5
SECONDS = (DRAIN_S + 1, DRAIN_S + 2)
"""How long calls take that are not over when the server listens no more."""
LONG_S = WITHIN_S * 1.5
"""A draining that ends because a second signal comes."""


@asynccontextmanager
async def running(*command: str | Path) -> AsyncIterator[Child]:
    """Run a process for the length of the block."""
    child = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    try:
        yield child
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(LOOK_EVERY_S)


async def answers(caller: httpx.AsyncClient, path: str, status: int = 200) -> bool:
    """Tell whether a new connection is answered so."""
    try:
        return (await caller.get(path, headers={"Connection": "close"})).status_code == status
    except httpx.TransportError:
        return False


@asynccontextmanager
async def slow_web(drain_s: float) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """Give a server whose answers take as long as asked, and a caller."""
    port = free_port()
    async with (
        running(sys.executable, "-m", "tests.faults.slow_web", str(port), str(drain_s)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S) as caller,
    ):
        await until(lambda: answers(caller, "/0"))
        yield server, caller


async def test_calls_that_run_when_the_process_is_told_to_stop_are_answered() -> None:
    async with slow_web(DRAIN_S) as (server, caller):
        calls = [asyncio.create_task(caller.get(f"/{seconds}")) for seconds in SECONDS]
        await until(lambda: _have_begun(caller, len(SECONDS)))
        server.send_signal(signal.SIGTERM)
        found = await asyncio.gather(*calls)
        code = await asyncio.wait_for(server.wait(), WITHIN_S)

    assert [answer.status_code for answer in found] == [200] * len(SECONDS)
    assert code == 0


async def test_calls_that_come_while_it_drains_are_answered_and_hung_up_on() -> None:
    async with slow_web(LONG_S) as (server, caller):
        before = await caller.get("/0")  # Over a connection that is kept.
        server.send_signal(signal.SIGTERM)
        await until(lambda: _hangs_up(caller))
        late = await caller.get("/0.1")
        server.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(server.wait(), WITHIN_S)

        assert "connection" not in before.headers
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        assert code == 0
        assert not await answers(caller, "/0")


async def test_second_signal_ends_the_draining_and_cuts_nothing() -> None:
    async with slow_web(LONG_S) as (server, caller):
        server.send_signal(signal.SIGTERM)
        await until(lambda: _hangs_up(caller))
        call = asyncio.create_task(caller.get("/1"))
        await until(lambda: _have_begun(caller, 1))
        server.send_signal(signal.SIGTERM)

        assert (await call).status_code == 200
        assert await asyncio.wait_for(server.wait(), WITHIN_S) == 0


async def _have_begun(caller: httpx.AsyncClient, calls: int) -> bool:
    return (await caller.get(BEGUN)).text == str(calls)


async def _hangs_up(caller: httpx.AsyncClient) -> bool:
    return bool((await caller.get("/0")).headers.get("connection") == "close")


async def test_product_that_is_told_to_stop_says_that_it_is_not_ready_and_ends_well(tmp_path: Path) -> None:
    config = installation(tmp_path / "installation", {"base_url": "http://127.0.0.1:9", "password": "none"})
    settings = yaml.safe_load(config.read_text("utf-8"))
    settings["http"]["drain_s"] = LONG_S
    config.write_text(yaml.safe_dump(settings), "utf-8")
    url = f"http://127.0.0.1:{settings['http']['port']}"

    serve = running(*TIEBEAM, "serve", "--config", config)
    async with serve as product, httpx.AsyncClient(base_url=url, timeout=WITHIN_S) as probe:
        await until(lambda: answers(probe, "/health/ready"))
        product.send_signal(signal.SIGTERM)
        await until(lambda: answers(probe, "/health/ready", 503))
        checks = (await probe.get("/health/ready")).json()["checks"]
        lives = await answers(probe, "/health/live")
        os.kill(_web_of(product), signal.SIGTERM)
        code = await asyncio.wait_for(product.wait(), WITHIN_S)

    assert checks == {"database": "ok", "accepting": "failed"}
    assert lives
    assert code == 0


def _web_of(product: Child) -> int:
    """Return the number of the process that serves: a second signal to it ends the draining."""
    children = Path(f"/proc/{product.pid}/task/{product.pid}/children").read_text().split()
    (web,) = (int(one) for one in children if b"--no-worker" in Path(f"/proc/{one}/cmdline").read_bytes())
    return web
