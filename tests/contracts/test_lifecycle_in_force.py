"""Dates of versions moved while calls run: through files and reload, explained, and taken back by a rollback."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from gateway import main
from gateway.composition.parts import CannotStart
from gateway.composition.policies import policies_for
from gateway.lifecycle.document import FILE
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

BASE: Final = "/platform/governance/v1"
STATUS: Final = "/process/status/v1/project-statuses/prj_01KB0Q3V8X5N7E9RZ2M4T6W8YA"
AHEAD: Final = "process/status/v1: {deprecated_at: 2999-01-01T00:00:00Z, sunset_at: 2999-12-31T00:00:00Z}"
ENDED: Final = "process/status/v1: {deprecated_at: 2020-01-01T00:00:00Z, sunset_at: 2020-12-31T00:00:00Z}"
NEW: Final = "process/status/v1: {deprecated_at: 2020-01-01T00:00:00Z}"


@pytest.fixture(scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with product_on_fakes(tmp_path_factory.mktemp("lives"), FakeErp(), FakePsa()) as composed:
        await composed.parts.in_force.start()
        yield composed


async def test_date_holds_with_the_next_request_and_a_rollback_takes_it_back(product: Product) -> None:
    file = product.settings.path("policies") / FILE
    async with product.client("ops") as ops, product.client("portal") as portal:
        before = await portal.get(STATUS)
        answers = []
        for text in (AHEAD, ENDED):
            file.write_text(f"{text}  # What is rolled back from is not loaded again as it was.")
            loaded = await ops.post(f"{BASE}/policy-reloads")
            assert loaded.json()["changed"]
            answers.append(await portal.get(STATUS))
        file.write_text("process/status/v1: {sunset_at: 2020-12-31T00:00:00Z}")
        bad = await ops.post(f"{BASE}/policy-reloads")
        still = await portal.get(STATUS)
        await ops.post(f"{BASE}/policy-rollbacks")
        back = await portal.get(STATUS)

    told, ended = answers
    assert (before.status_code, "sunset" in before.headers) == (404, False)
    assert (told.status_code, told.headers["sunset"]) == (404, "Tue, 31 Dec 2999 00:00:00 GMT")
    assert (ended.status_code, ended.json()["code"]) == (410, "version.sunset")
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (
        422,
        "#/lifecycle.yaml/process~1status~1v1/sunset_at",
    )
    assert still.status_code == 410, "What does not hold changes nothing."
    assert (back.status_code, back.headers["sunset"]) == (404, "Tue, 31 Dec 2999 00:00:00 GMT")


@pytest.mark.parametrize(
    ("text", "decides", "status", "code"),
    [
        (AHEAD, "admits", None, None),
        (ENDED, "refuses", 410, "version.sunset"),
        (NEW, "refuses", 403, "version.closed_to_new"),
    ],
)
async def test_explanation_names_the_file_and_ends_as_the_call_does(
    product: Product, text: str, decides: str, status: int | None, code: str | None
) -> None:
    (product.settings.path("policies") / FILE).write_text(text)
    async with product.client("ops") as ops, product.client("portal") as portal:
        await ops.post(f"{BASE}/policy-reloads")
        told = (await portal.post(f"{BASE}/explanations", json={"method": "GET", "target": STATUS})).json()
        answer = await portal.get(STATUS)

    (life,) = [decision for decision in told["decisions"] if decision["kind"] == "lifecycle"]
    assert (life["decides"], life["file"], life["row"]) == (decides, "lifecycle.yaml", None)
    assert (told["outcome"]["status"], told["outcome"]["code"]) == (status, code)
    if status:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["detail"] == told["outcome"]["detail"] == life["why"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("process/holds/v1: {}", "process/holds/v1: there is no such version."),
        (
            "system/erp/v1: {operations: {make_tea: {deprecated_at: 2027-01-01T00:00:00Z, instead: Coffee.}}}",
            "make_tea",
        ),
        ("process/billing_holds/v1: {owner: 7}", "field owner: Expected `str`, got `int`."),
    ],
)
def test_mistake_in_the_files_stops_the_start(product: Product, text: str, named: str) -> None:
    installation = product.parts.installation
    files = {**installation.policy_files, FILE: text}
    parts = replace(product.parts, installation=replace(installation, policy_files=files))

    with pytest.raises(CannotStart) as error:
        policies_for(parts, main.apis_of(parts))

    assert named in str(error.value)
    assert str(error.value).startswith("lifecycle.yaml, ")
