"""While a system is away: status says what it said last and since when, and everything else goes on."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from openapi.common.types import Code
from tests.e2e.firm import BOOKS, Case, Firm
from tests.e2e.product import product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

STATUSES = "/process/status/v1/project-statuses"


@pytest.fixture
async def firm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firm]:
    """The product, with fakes that can be taken away."""
    psa = FakePsa()
    async with product_on_fakes(tmp_path_factory.mktemp("away"), FakeErp(), psa) as composed:
        yield Firm(composed, psa)


@pytest.fixture
async def case(firm: Firm) -> Case:
    """A project that both systems know."""
    return await firm.plant()


def of_systems(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    """Return what each system said, by its connection."""
    assert answer.status_code == 200, answer.text
    return {system["connection"]: system for system in answer.json()["systems"]}


@pytest.mark.parametrize(("away", "there"), [("books", "delivery"), ("delivery", "books")])
async def test_status_tells_the_last_word_of_a_system_that_is_away(
    firm: Firm, case: Case, away: str, there: str
) -> None:
    path, parts = f"{STATUSES}/{case.ids['project']}?fresh=true", firm.product.parts
    before = of_systems(await firm.everybody.get(path))
    (parts.erps | parts.psas)[away].away = True  # type: ignore[operator]  # Dictionaries of fakes.
    async with firm.product.client(client="portal") as another:  # Nobody's cache has its answer.
        answer = await another.get(path)

    after = of_systems(answer)
    assert answer.json()["stale"]
    assert after[away] == before[away] | {"stale": True}, "As it was, as of then."
    assert not after[there]["stale"]
    assert datetime.fromisoformat(after[there]["as_of"]) > datetime.fromisoformat(before[there]["as_of"])
    assert answer.json()["as_of"] == before[away]["as_of"], "The status is as old as its oldest word."


async def test_status_of_a_system_that_was_never_asked_says_that_nothing_is_known(firm: Firm, case: Case) -> None:
    firm.product.parts.erps["books"].away = True  # type: ignore[attr-defined]  # A fake.

    answer = await firm.everybody.get(f"{STATUSES}/{case.ids['project']}")

    books = of_systems(answer)["books"]
    assert (books["state"], books["as_of"], books["stale"]) == (None, None, True)
    assert answer.json()["stale"]


async def test_list_of_statuses_goes_on_while_everything_is_away(firm: Firm, case: Case) -> None:
    parts = firm.product.parts
    await firm.everybody.get(f"{STATUSES}?code={case.ids['code']}")
    for port in (*parts.erps.values(), *parts.psas.values()):
        port.away = True  # type: ignore[attr-defined]  # Fakes.

    async with firm.product.client(client="portal") as another:
        answer = await another.get(STATUSES)

    assert [one["id"] for one in answer.json()["items"]] == [case.ids["project"]]
    assert [one["state"] for one in answer.json()["items"][0]["systems"]] == ["draft", "closed"]


async def test_status_is_answered_from_what_was_said_lately_and_fresh_asks_again(firm: Firm, case: Case) -> None:
    erp = firm.product.parts.erps["books"]
    path = f"{STATUSES}/{case.ids['project']}"
    asked = []
    for client, query in (("one", ""), ("two", ""), ("three", "?fresh=true")):
        async with firm.product.client(client=client) as caller:
            await caller.get(path + query)
        asked.append(erp.calls["get_accounting_project"])  # type: ignore[attr-defined]  # A fake.

    assert asked == [1, 1, 2]


async def test_system_api_says_that_its_system_is_away(firm: Firm, case: Case) -> None:
    firm.product.parts.erps["books"].away = True  # type: ignore[attr-defined]  # A fake.

    answer = await firm.everybody.get(f"{BOOKS}/customers/{case.ids['erp_customer']}")

    assert (answer.status_code, answer.json()["code"]) == (503, Code.upstream_unavailable)
    assert int(answer.headers["retry-after"]) > 0


async def test_installation_is_ready_while_its_systems_are_away(firm: Firm) -> None:
    firm.product.parts.erps["books"].away = True  # type: ignore[attr-defined]  # A fake.

    answer = await firm.everybody.get("/health/ready")

    assert (answer.status_code, answer.json()["checks"]) == (200, {"database": "ok", "accepting": "ok"})
