"""Who answers for what, as the product says it: in the catalogue, in the metrics, in `tiebeam check`, or not at all."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import process_apis
from gateway import main
from gateway.composition.parts import CannotStart
from gateway.egress.limits import Part
from gateway.examination import check
from gateway.settings import Settings
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

OWNERSHIP = "/platform/governance/v1/ownership"


def changed(settings: Settings, section: str, name: str, **fields: str) -> None:
    """Change an entry of the installation's file; without fields, take it away."""
    file = settings.path("ownership.yaml")
    document: dict[str, Any] = yaml.safe_load(file.read_text())
    entry = document[section].pop(name)
    if fields:
        document[section][name] = entry | fields
    file.write_text(yaml.safe_dump(document))


async def listed(product: Product, **asked: str) -> list[dict[str, Any]]:
    async with product.client("ops") as ops:
        answer = await ops.get(OWNERSHIP, params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_every_thing_is_in_the_catalogue_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    async with product_on_fakes(tmp_path, FakeErp(), FakePsa()) as product:
        found = await listed(product)

    names = {kind: {one["name"] for one in found if one["kind"] == kind} for kind in {one["kind"] for one in found}}
    assert names["apis"] >= {*process_apis.APIS, "system/erp/v1", "platform/governance/v1"}
    assert names["connections"] == {"books", "delivery"}
    assert names["schedules"] >= {"audit_seal", "time_transfer/delivery", "billing_holds.push"}
    assert names["mappings"] == {"accounts.yaml", "items.yaml", "people.yaml", "taxes.yaml"}
    assert names["event_types"] == process_apis.EVENT_TYPES
    assert all(one["owner"] and one["contact"] and one["service_level"] for one in found)
    assert [one["review_on"] for one in found] == sorted(one["review_on"] for one in found)


async def test_overdue_review_shows_in_catalogue_metrics_and_check_and_stops_nothing(tmp_path: Path) -> None:
    async with product_on_fakes(tmp_path, FakeErp(), FakePsa()) as before:
        changed(before.settings, "mappings", "taxes.yaml", review_on="2020-01-01")
        parts = main.parts(main.read(before.settings), Part.web)
        late = Product(before.settings, parts, main.web(parts))
        found = await listed(late, overdue="true")
        async with late.client("watch", scopes=("metrics:read",)) as watch:
            metrics = (await watch.get("/metrics")).text
        await parts.aclose()

    assert [(one["kind"], one["name"], one["overdue"]) for one in found] == [("mappings", "taxes.yaml", True)]
    assert 'tiebeam_reviews_overdue{kind="mappings"} 1' in metrics.splitlines()


def test_check_names_an_overdue_review_without_failing(settings: Settings) -> None:
    changed(settings, "schedules", "audit_seal", review_on="2020-01-01")

    (finding,) = [one for one in check(settings, connections=False) if one.subject == "ownership"]

    assert finding.holds
    assert "overdue of schedules audit_seal." in finding.detail


@pytest.mark.parametrize(
    ("section", "name", "unowned"),
    [
        ("connections", "books", "connections has no entry for books"),
        ("schedules", "time_sweep/*", "schedules has no entry for time_sweep/delivery"),
        ("mappings", "items.yaml", "mappings has no entry for items.yaml"),
        ("event_types", "tiebeam.billing_hold.*", "event_types has no entry for tiebeam.billing_hold.placed.v1"),
    ],
)
async def test_thing_without_an_owner_stops_both_processes(
    settings: Settings, section: str, name: str, unowned: str
) -> None:
    changed(settings, section, name)
    parts = main.parts(main.read(settings), Part.whole)

    for start in (main.web, main.worker):
        with pytest.raises(CannotStart, match=unowned):
            start(parts)
    await parts.aclose()


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    async with product_on_fakes(tmp_path, FakeErp(), FakePsa()) as composed:
        return composed.settings
