"""What there is to watch, read as a scraper reads it: for who may, and of everything that happened in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import insert

from gateway.store.inbox import tb_inbox
from gateway.telemetry.catalogue import HELP
from gateway.telemetry.exposition import CONTENT_TYPE
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

STATUS = "/process/status/v1/project-statuses/prj_01KB0Q3V8X5N7E9RZ2M4T6W8YA"
SCRAPER = {"accept": "application/openmetrics-text;version=1.0.0;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"}
"""What Prometheus 3 sends."""


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    async with product_on_fakes(tmp_path, FakeErp(), FakePsa()) as composed:
        yield composed


async def test_series_of_this_process_are_read_with_the_scope(product: Product) -> None:
    async with product.client("crm") as crm, product.client("watch", scopes=("metrics:read",)) as watch:
        await crm.get("/platform/operations/v1/work-items")
        answer = await watch.get("/metrics", headers=SCRAPER)

    lines = answer.text.splitlines()
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    assert answer.headers["cache-control"] == "no-store"
    assert lines[-1] == "# EOF"
    assert {"# TYPE tiebeam_calls_shed counter", "tiebeam_calls_shed_total 0"} <= set(lines)
    assert 'tiebeam_reads_total{operation="platform/operations/v1:list_work_items"} 1' in lines
    assert f'tiebeam_issuer_keys_fault{{issuer="{product.settings.issuers[0].issuer}"}} 0' in lines
    assert {"# TYPE tiebeam_counters_lost counter", "tiebeam_counters_lost_total 0"} <= set(lines)
    assert {"tiebeam_audit_unwritable 0", "tiebeam_news_untold 0", "tiebeam_cache_misses_total 0"} <= set(lines)
    assert "tiebeam_calls_under_way 1" in lines  # This one.


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_strangers_are_told_nothing(product: Product, method: str) -> None:
    async with product.stranger() as stranger:
        answer = await stranger.request(method, "/metrics")

    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_missing")
    assert "/.well-known/oauth-protected-resource" in answer.headers["www-authenticate"]


async def test_token_without_the_scope_is_refused_and_written_down(product: Product) -> None:
    async with product.client("crm", scopes=("status:read",)) as crm, product.client("ops") as ops:
        refused = (await crm.get("/metrics")).json()
        decision_id = refused["instance"].rpartition(":")[2]
        decision = (await ops.get(f"/platform/governance/v1/decisions/{decision_id}")).json()

    assert refused["code"] == "auth.scope_missing"
    assert (decision["operation"], decision["client_id"]) == ("platform/metrics:get_metrics", "crm")


async def test_consumer_who_may_call_other_apis_only_is_refused(product: Product) -> None:
    own = product.settings.path("policies") / "95-own.yaml"
    own.write_text("policies: [{kind: consumer, client_id: portal, owner: Care, apis: ['process/*']}]")
    async with product.client("ops") as ops, product.client("portal") as portal:
        await ops.post("/platform/governance/v1/policy-reloads")
        answer = await portal.get("/metrics")

    assert answer.json()["code"] == "auth.api_not_allowed"


async def test_clients_are_told_of_the_scope(product: Product) -> None:
    async with product.stranger() as stranger:
        document = (await stranger.get("/.well-known/oauth-protected-resource")).json()

    assert "metrics:read" in document["scopes_supported"]


async def test_scrape_parses_and_shows_what_stands_in_the_database(product: Product) -> None:
    waits = {"id": "one", "connection": "delivery", "object_type": "time_entry", "external_id": "7", "tries": 0}
    async with product.parts.store.begin() as connection:
        await connection.execute(insert(tb_inbox), waits | {"received_at": product.parts.store.now()})
    async with product.client("watch", scopes=("metrics:read",)) as watch:
        answer = await watch.get("/metrics", headers=SCRAPER)

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {*families} <= {name.removesuffix("_total") for name in HELP}
    assert [sample.labels for sample in families["tiebeam_queue_age_seconds"].samples] == [
        {"queue": "delivery/time_entry"}
    ]
    assert {sample.value for sample in families["tiebeam_monitor_failures"].samples} == {0}
    assert {
        sample.labels["kind"]: sample.value for sample in families["tiebeam_reviews_overdue"].samples
    } == dict.fromkeys(("apis", "connections", "schedules", "mappings", "event_types"), 0)
