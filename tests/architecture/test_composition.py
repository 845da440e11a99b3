"""What `gateway/main.py` puts together, looked at as it runs. Each check is shown to fail."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import main
from gateway.composition.parts import CannotStart
from gateway.composition.policies import policies_for
from gateway.counters import Counters
from gateway.counters.memory import MemoryCounters
from gateway.egress.limits import Part
from gateway.policy.plan import Plan
from gateway.settings import Settings
from gateway.store.audit import Auditor
from gateway.store.audit_verification import verify
from gateway.telemetry.metrics import Metrics
from system_apis.landscape import Configured
from system_apis.ports import Landscape
from tests.audit_books import written
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.vendor import Vendor


@pytest.fixture(scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with product_on_fakes(tmp_path_factory.mktemp("composed"), FakeErp(), FakePsa()) as composed:
        yield composed


def resources_of_workflows(product: Product, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """Return what the worker gives to workflows."""
    given = dict[str, Any]()
    monkeypatch.setattr(main, "Worker", lambda **arguments: given.update(arguments))
    main.worker(product.parts)
    resources: Mapping[str, Any] = given["resources"]
    return resources


async def cached_ports(landscape: Landscape, erp: Vendor, psa: Vendor) -> list[str]:
    """Return the connections whose second answer did not come from the system."""
    cached = []
    for system, name, read in (
        (erp, "books", landscape.erp("books").list_legal_entities),
        (psa, "delivery", landscape.psa("delivery").list_resources),
    ):
        before = system.calls.total()
        await read()
        await read()
        cached += [name] if system.calls.total() != before + 2 else []
    return cached


async def test_ports_of_workflows_always_ask_the_system(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = resources_of_workflows(product, monkeypatch)["landscape"]
    erp, psa = product.parts.erps["books"], product.parts.psas["delivery"]

    cached = await cached_ports(landscape, erp, psa)  # type: ignore[arg-type]  # Fakes.

    assert not cached, "Give workflows the bare port; what may be old is for status pages and the edge's cache."


async def test_counters_that_stop_answering_are_counted_with_all_else(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list[Metrics | None]()

    def counters_of(_settings: Settings, metrics: Metrics | None = None) -> Counters:
        given.append(metrics)
        return MemoryCounters()

    monkeypatch.setattr(main, "counters_of", counters_of)
    built = main.parts(product.parts.installation, Part.web)
    await built.aclose()

    assert given == [built.upstreams.metrics]


def test_entity_with_a_currency_that_nobody_knows_stops_the_start(product: Product) -> None:
    settings = product.parts.installation.settings
    code, entity = next(iter(settings.entities.items()))
    strange = replace(settings, entities=settings.entities | {code: replace(entity, currency="XYZ")})

    with pytest.raises(CannotStart, match=rf"entities\.{code}\.currency: XYZ"):
        main.read(strange)


class Remembering(FakePsa):
    """A port that answers from what it was told before."""

    async def list_resources(self, **window: Any) -> Any:  # noqa: ANN401 - as the port has it
        if not self.calls["list_resources"]:
            self.known = await super().list_resources(**window)
        return self.known


async def test_port_that_is_cached_is_seen() -> None:
    erp, psa = FakeErp(), Remembering()
    landscape = Configured(erps={"books": erp}, psas={"delivery": psa}, erp_of={}, psa_of={})

    assert await cached_ports(landscape, erp, psa) == ["delivery"]


def unguarded(plans: Mapping[str, Plan]) -> list[str]:
    """Return the places where something is done before the caller and their rights are known."""
    return [
        place
        for place, plan in plans.items()
        if [policy.kind for policy in plan.policies if policy.kind != "audit"][:2] != ["authenticate", "authorize"]
    ]


def test_every_operation_knows_its_caller_before_anything_else_is_done(product: Product) -> None:
    plans = policies_for(product.parts, main.apis_of(product.parts)).plans

    assert unguarded(plans) == []


def test_operation_whose_caller_is_not_known_first_is_seen(product: Product) -> None:
    plans = policies_for(product.parts, main.apis_of(product.parts)).plans
    (place, plan), *_ = plans.items()
    unasked = tuple(row for row in plan.rows if row.policy.kind != "authenticate")

    assert unguarded({place: Plan(operation=plan.operation, rows=unasked)}) == [place]


async def test_worker_seals_the_audit_with_the_installation_s_key(product: Product) -> None:
    store, folder = product.parts.store, product.parts.installation.settings.data
    (sealing,) = (one for one in main.schedules_of(product.parts) if one.name == "audit_seal")
    await written(Auditor(store), "a", "b")
    await sealing.run()

    found = await verify(store, folder)
    assert (found.seals > 0, found.unsealed, found.faults) == (True, 0, ())
