"""A worker as orchestrators and scrapers see it: on an address of its own, from its start to its end."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from examples.demo.stage import TIEBEAM, installation
from examples.servers.start import free_port
from gateway.telemetry.exposition import CONTENT_TYPE

NOBODY = {"base_url": "http://127.0.0.1:9", "password": "none"}
READY_WITHIN_S = 60.0


async def started(config: Path, further: Mapping[str, str]) -> asyncio.subprocess.Process:
    environment = {**os.environ, **further}
    arguments = [*TIEBEAM[1:], "worker", "--config", str(config)]
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )


async def ready(url: str, worker: asyncio.subprocess.Process) -> httpx.Response:
    async with httpx.AsyncClient() as orchestrator, asyncio.timeout(READY_WITHIN_S):
        while worker.returncode is None:
            try:
                answer = await orchestrator.get(f"{url}/health/ready")
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                return answer
            await asyncio.sleep(0.1)
    raise AssertionError(await worker.communicate())


async def test_worker_is_ready_once_it_works_shows_its_metrics_and_ends_when_told(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    worker = await started(installation(tmp_path / "installation", NOBODY), {"TIEBEAM__WORKER__PORT": str(port)})
    try:
        answer = await ready(url, worker)
        async with httpx.AsyncClient(base_url=url) as scraper:
            live, metrics = await scraper.get("/health/live"), await scraper.get("/metrics")
    finally:
        worker.send_signal(signal.SIGTERM)
        await worker.communicate()

    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "worker": "ok"}}
    assert live.json() == {"status": "live"}
    assert metrics.headers["content-type"] == CONTENT_TYPE
    assert "tiebeam_monitor_failures" in {family.name for family in text_string_to_metric_families(metrics.text)}
    assert worker.returncode == 0


async def test_address_that_is_taken_stops_the_start_in_words(tmp_path: Path) -> None:
    config = installation(tmp_path / "installation", NOBODY)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        worker = await started(config, {"TIEBEAM__WORKER__PORT": str(port)})
        _, said = await worker.communicate()

    assert worker.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said.decode()
    assert "Traceback" not in said.decode()


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIEBEAM_CONFIG", raising=False)
