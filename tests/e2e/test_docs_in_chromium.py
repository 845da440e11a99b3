"""The documentation as a person finds it: every API, its reference, and an operation tried with a token."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.contract import Document
from tests.axe import findings
from tests.browser import Tab, chromium, tab
from tests.contracts.served import BASES, Served, served

pytestmark = pytest.mark.browser
REFERENCE = "/docs/process/status/v1"
OPERATION = "#list_project_statuses"
PICTURES = Path(__file__).parents[2] / ".screenshots"
"""Kept after the tests, for people."""
PAGES = (
    "/docs",
    REFERENCE,
    "/docs/process/billing-holds/v1",
    "/docs/system/books/erp/v1",
    "/problems",
    "/problems/internal",
)
OPENED = 12
"""So many operations and types of a page are opened: they are all made alike, and axe takes its time."""
PATIENT_TABS = 400
"""As often is the key pressed until somebody without a mouse would have given up."""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """Skip where Chromium is missing; fail where it was to be there."""
    if chromium() is None:
        message = "Chromium is missing; as root, examples/servers/install_chromium.sh installs it."
        if "browser" in os.environ.get("TIEBEAM_REQUIRE", ""):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="module")
def server(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running installation."""
    with served(tmp_path_factory.mktemp("docs")) as running:
        yield running


@pytest.fixture
async def page(server: Served, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    """A fresh browser, which must have found nothing to complain of and asked no foreign host."""
    async with tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
        ours = urlsplit(server.url).netloc
        foreign = [url for url in opened.requests if not url.startswith("data:") and urlsplit(url).netloc != ours]
    assert opened.complaints == []
    assert foreign == []


async def test_every_api_and_version_is_listed_and_its_page_opens(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/docs")
    shown = await page.text()
    links = await page.evaluate("[...document.links].map(link => link.href).filter(to => /docs\\/.*v\\d+$/.test(to))")

    assert {urlsplit(link).path for link in links} == {f"/docs{base}" for base in BASES.values()}
    for contract, base in BASES.items():
        assert Document(contract).info["title"] in shown
        await page.open(f"{server.url}/docs{base}")
        operations = await page.evaluate("document.querySelectorAll('details.operation').length")
        assert operations == len(list(Document(contract).operations()))


async def test_operation_is_tried_with_a_token_and_its_answer_is_shown(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/docs")
    await page.click(f"a[href='{REFERENCE}']")
    await page.until(f"location.pathname === '{REFERENCE}'")
    await page.write("#token", server.token)
    await page.click(f"{OPERATION} summary")
    await page.click(f"{OPERATION} button")
    status = await page.until(f"document.querySelector('{OPERATION} .answer .status')?.innerText")
    told = await page.evaluate(f"[...document.querySelectorAll('{OPERATION} .answer pre')].map(one => one.innerText)")
    await page.picture(PICTURES / "tried.png")

    assert status.startswith("200")
    assert json.loads(told[0]) == {"items": [], "next_cursor": None}
    assert "content-type: application/json" in told[1]
    assert server.token not in "".join(told)
    assert "Bearer $TOKEN" in told[2]


async def test_operation_is_tried_with_the_keyboard_alone(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}{REFERENCE}")
    await tab_to(page, "#token")
    await page.command("Input.insertText", text=server.token)
    await tab_to(page, f"{OPERATION} > summary")
    await page.press("Enter")
    await tab_to(page, f"{OPERATION} button")
    await page.press("Enter")

    status = await page.until(f"document.querySelector('{OPERATION} .answer .status')?.innerText")

    assert status.startswith("200")


async def test_first_stop_of_the_keyboard_leads_past_the_navigation(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/docs")
    await page.press("Tab")
    await page.press("Enter")

    assert await page.until("location.hash") == "#main"


async def test_write_is_tried_with_a_key_of_its_own_each_time(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/docs/process/billing-holds/v2")
    await page.write("#token", server.token)
    await page.click("#place_hold summary")
    keys = []
    for _ in range(2):
        await page.click("#place_hold button")
        await page.until("!!document.querySelector('#place_hold .answer .status')")
        curl = await page.evaluate("[...document.querySelectorAll('#place_hold .answer pre')].at(-1).innerText")
        keys += [line for line in curl.splitlines() if "Idempotency-Key" in line]
        await page.evaluate("document.querySelector('#place_hold .answer').replaceChildren()")
    # The browser notes each 422: the example's project is not there.
    page.complaints[:] = [said for said in page.complaints if "422" not in said]

    assert len(set(keys)) == 2


async def test_operations_are_found_by_what_they_are_about(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/docs")
    await page.write("#filter", "lift_hold")
    none = await page.until("document.querySelector('[role=status]').innerText")
    await page.evaluate("document.getElementById('filter').value = ''")
    await page.write("#filter", "/lift")
    found = await page.until("document.querySelector('[role=status]').innerText")
    shown = await page.evaluate("[...document.querySelectorAll('.card')].filter(card => !card.hidden).length")

    assert none == "0 operations found."
    assert (found, shown) == ("2 operations found.", 1)


async def test_version_that_goes_has_a_banner_that_counts_down(server: Served, page: Tab) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    dates = f"{{deprecated_at: {now.isoformat()}, sunset_at: {(now + timedelta(hours=2)).isoformat()}}}"
    (server.policies / "lifecycle.yaml").write_text(f"process/billing_holds/v1: {dates}\n")
    await post(server, "/platform/governance/v1/policy-reloads")
    await page.open(f"{server.url}/docs/process/billing-holds/v1")

    before = await page.until("document.querySelector('.banner .left')?.innerText")
    await page.until(f"document.querySelector('.banner .left').innerText !== {json.dumps(before)}")
    found = await findings(page)
    await page.picture(PICTURES / "banner.png")
    await page.open(f"{server.url}/docs")
    index = await page.text()
    (server.policies / "lifecycle.yaml").write_text("")
    await post(server, "/platform/governance/v1/policy-reloads")

    assert before.startswith("1 h 59 min")
    assert found == []
    assert "Deprecated" in index


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_anybody_from_reading_or_trying(server: Served, page: Tab, scheme: str) -> None:
    await page.prefer(scheme)
    found = {}
    for path in PAGES:
        await page.open(f"{server.url}{path}")
        await page.evaluate(
            f"[...document.querySelectorAll('details')].slice(0, {OPENED}).forEach(one => one.open = true)"
        )
        await page.picture(PICTURES / f"{path.strip('/').replace('/', '-')}-{scheme}.png")
        found[path] = await findings(page)
    await page.open(f"{server.url}{REFERENCE}")
    await page.write("#token", server.token)
    await page.click(f"{OPERATION} summary")
    await page.click(f"{OPERATION} button")
    await page.until(f"!!document.querySelector('{OPERATION} .answer .status')")
    found["tried"] = await findings(page)

    assert found == {place: [] for place in (*PAGES, "tried")}


async def test_problem_is_explained_where_its_link_leads(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/problems/upstream.timeout_uncertain")

    assert "It may have happened." in await page.text()


async def tab_to(page: Tab, selector: str) -> None:
    """Press the key until the element has the focus."""
    for _ in range(PATIENT_TABS):
        if await page.evaluate(f"document.activeElement === document.querySelector({json.dumps(selector)})"):
            return
        await page.press("Tab")
    pytest.fail(f"{selector} is not reached with the keyboard.")


async def post(server: Served, path: str) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}) as caller:
        (await caller.post(path)).raise_for_status()
        await caller.get("/platform/governance/v1/plans")  # Whoever asks next hears of it.
