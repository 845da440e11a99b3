"""What goes and who still calls it, told by the product: dates that an installation sets, calls that were made."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.store.usage import listing
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

BASE = "/platform/governance/v1"
HOLDS = "process/billing_holds/v1"
LISTED = "/process/billing-holds/v1/holds"
SUCCESSOR, STATUS_API = "process/billing_holds/v2", "process/status/v1"
CUSTOMER = "cus_01KB0Q3V8X5N7E9RZ2M4T6W8YB"
STATUS = "/process/status/v1/project-statuses/prj_01KB0Q3V8X5N7E9RZ2M4T6W8YA"
NOW = datetime.now(UTC).replace(microsecond=0)
SUNSET, EXTENDED = NOW + timedelta(days=30), NOW + timedelta(days=90)


def written(moment: datetime) -> str:
    """Return the instant as contracts write it."""
    return moment.isoformat().replace("+00:00", "Z")


LIFE: dict[str, dict[str, Any]] = {
    HOLDS: {
        "deprecated_at": written(NOW + timedelta(days=1)),
        "sunset_at": written(SUNSET),
        "brown_outs": [{"from": written(NOW + timedelta(days=2)), "until": written(NOW + timedelta(days=3))}],
        "extensions": [
            {"client_id": "portal", "issuer": None, "until": written(EXTENDED), "reason": "Its release comes later."}
        ],
        "fields": [
            {
                "operation": "list_holds",
                "place": "query",
                "pointer": "state",
                "deprecated_at": written(NOW),
                "sunset_at": written(NOW + timedelta(days=7)),
                "instead": "Send `in_force`.",
            }
        ],
    }
}


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    async with product_on_fakes(tmp_path, FakeErp(), FakePsa()) as composed:
        await composed.parts.in_force.start()
        (composed.settings.path("policies") / "lifecycle.yaml").write_text(yaml.safe_dump(LIFE))
        async with composed.client("ops") as ops:
            reloaded = await ops.post(f"{BASE}/policy-reloads")
        assert reloaded.status_code == 200, reloaded.text
        yield composed


@asynccontextmanager
async def _serving(product: Product) -> AsyncIterator[None]:
    """Begin as a server does, and end as it does."""
    told: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(product.edge({"type": "lifespan", "asgi": {"version": "3.0"}}, told.get, said.put))
        await told.put({"type": "lifespan.startup"})
        assert await said.get() == {"type": "lifespan.startup.complete"}
        yield
        await told.put({"type": "lifespan.shutdown"})
        assert await said.get() == {"type": "lifespan.shutdown.complete"}


async def _ask(product: Product, target: str) -> dict[str, Any]:
    async with product.client("ops") as ops:
        answer = await ops.get(f"{BASE}{target}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _use(product: Product, client_id: str, *targets: str) -> None:
    async with product.client(client_id) as client:
        for target in targets:
            assert (await client.get(target)).status_code in {200, 404}


async def test_versions_are_told_with_dates_and_callers_and_what_goes_stands_first(product: Product) -> None:
    await _use(product, "portal", LISTED)
    await _use(product, "crm", LISTED, f"{LISTED}?state=active")

    told = await _ask(product, "/lifecycle")
    first, second = told["items"][:2]
    (erp,) = (await _ask(product, "/lifecycle?contract=system/erp/v1"))["items"]

    assert told["policy_set"].startswith("pst_")
    assert (first["contract"], first["base_paths"]) == (HOLDS, ["/process/billing-holds/v1"])
    assert (first["stage"], first["sunset_at"]) == ("announced", written(SUNSET))
    assert (first["successor"], first["next_change_at"]) == (SUCCESSOR, written(NOW + timedelta(days=1)))
    assert {name: first[name] for name in ("brown_outs", "extensions", "fields")} == {
        name: LIFE[HOLDS][name] for name in ("brown_outs", "extensions", "fields")
    }
    assert first["consumers_still_calling"] == 2
    assert (second["stage"], second["sunset_at"]) == ("active", None)
    assert erp["base_paths"] == sorted(f"/system/{name}/erp/v1" for name in product.parts.erps)
    assert (erp["consumers_still_calling"], erp["last_seen"]) == (0, None)


async def test_who_still_uses_what_goes_is_told_the_most_urgent_first(product: Product) -> None:
    await _use(product, "portal", LISTED, LISTED)
    await _use(product, "crm", f"{LISTED}?state=active", STATUS)

    items = (await _ask(product, "/usage?going_away=true"))["items"]

    shown = [(one["client_id"], one["place"], one["pointer"], one["sunset_at"], one["count"]) for one in items]
    assert shown == [
        ("crm", "query", "state", written(NOW + timedelta(days=7)), 1),
        ("crm", "call", None, written(SUNSET), 1),
        ("portal", "call", None, written(EXTENDED), 2),
    ]
    assert [one["instead"] for one in items] == ["Send `in_force`.", SUCCESSOR, SUCCESSOR]
    assert all(one["owner"] and one["tier"] for one in items)


async def test_usage_is_filtered_and_paged_for_whoever_is_limited_in_nothing(product: Product) -> None:
    await _use(product, "portal", LISTED, STATUS)
    await _use(product, "crm", LISTED, STATUS)
    first = await _ask(product, "/usage?limit=1&client_id=crm")
    cursor = first["next_cursor"]
    second = await _ask(product, f"/usage?limit=1&client_id=crm&cursor={cursor}")
    stays = (await _ask(product, "/usage?going_away=false&client_id=portal"))["items"]
    by_contract = (await _ask(product, f"/usage?contract={HOLDS}"))["items"]
    later = (await _ask(product, f"/usage?since={written(NOW + timedelta(days=1))}"))["items"]
    async with product.client("ops") as ops, product.client("ops", customers=(CUSTOMER,)) as limited:
        others = await ops.get(f"{BASE}/usage?limit=1&client_id=portal&cursor={cursor}")
        refused = [await limited.get(f"{BASE}{target}") for target in ("/lifecycle", "/usage")]

    assert [[one["contract"] for one in page["items"]] for page in (first, second)] == [[HOLDS], [STATUS_API]]
    assert second["next_cursor"] is None
    assert [one["contract"] for one in stays] == [STATUS_API]
    assert {(one["client_id"], one["contract"]) for one in by_contract} == {("portal", HOLDS), ("crm", HOLDS)}
    assert later == []
    assert others.json()["errors"][0]["code"] == "request.cursor_invalid"
    assert [answer.json()["code"] for answer in refused] == ["auth.entity_not_allowed"] * 2


async def test_metrics_show_the_end_and_the_process_writes_down_what_it_counted(product: Product) -> None:
    async with _serving(product):
        await _use(product, "crm", LISTED)
        async with product.client("ops") as ops:
            shown = (await ops.get("/metrics")).text.splitlines()
    found = await listing(product.parts.store, contracts=[HOLDS])

    (left,) = [line for line in shown if line.startswith("tiebeam_sunset_seconds{")]
    name, _, seconds = left.rpartition(" ")
    assert name == f'tiebeam_sunset_seconds{{contract="{HOLDS}"}}'
    assert 30 * 86_400 - 600 < int(seconds) <= 30 * 86_400
    assert "tiebeam_usage_uncounted_total 0" in shown
    assert [(one.client_id, one.count) for one in found] == [("crm", 1)]
