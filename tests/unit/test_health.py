"""What orchestrators are told."""

import asyncio
import logging

import pytest

from gateway import health
from tests.sample_api import bound, client


async def holds() -> bool:
    return True


async def fails() -> bool:
    return False


async def raises() -> bool:
    url = "postgresql://user:s3cret@host"
    raise ConnectionError(url)


async def hangs() -> bool:
    await asyncio.Event().wait()
    return True


async def test_living_process_says_so_whatever_it_needs() -> None:
    async with client(bound(), *health.routes({"database": fails}), caller=None) as orchestrator:
        response = await orchestrator.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_process_with_all_it_needs_is_ready() -> None:
    async with client(bound(), *health.routes({"database": holds}), caller=None) as orchestrator:
        response = await orchestrator.get("/health/ready")

    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": {"database": "ok"}})
    assert response.headers["cache-control"] == "no-store"


async def test_process_that_lacks_something_names_it_and_nothing_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.01)
    checks = {"database": raises, "schema": holds, "worker": hangs, "limits": fails}

    with caplog.at_level(logging.WARNING):
        async with client(bound(), *health.routes(checks), caller=None) as orchestrator:
            response = await orchestrator.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "failed", "schema": "ok", "worker": "failed", "limits": "failed"}
    assert "s3cret" not in response.text + caplog.text
    assert "database failed: ConnectionError" in caplog.text
