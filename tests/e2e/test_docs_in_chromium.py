"""The documentation as a person finds it: every API, its reference, and an operation tried with a token."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from gateway.contract import Document
from tests.browser import Tab, chromium, tab
from tests.contracts.served import BASES, Served, served

pytestmark = pytest.mark.browser
REFERENCE = "/docs/process/status/v1"
OPERATION = "#operations-projects-list_project_statuses"


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


async def test_every_api_and_version_is_listed_and_its_reference_opens(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/docs")
    shown = await page.text()
    links = await page.evaluate("[...document.links].map(link => link.href).filter(to => /docs\\/.*v\\d+$/.test(to))")

    assert {urlsplit(link).path for link in links} == {f"/docs{base}" for base in BASES.values()}
    for contract in BASES:
        assert Document(contract).info["title"] in shown
    assert shown.count("version 1") == len(BASES)
    for link in links:
        await page.open(link)
        await page.until("document.querySelectorAll('.opblock').length > 0")
        assert "Failed to load" not in await page.text()


async def test_operation_is_tried_with_a_token_and_its_answer_is_shown(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}{REFERENCE}")

    await page.click(".btn.authorize")
    await page.write(".auth-container input", server.token)
    await page.click(".auth-btn-wrapper .authorize")
    await page.click(".auth-btn-wrapper .btn-done")
    await page.click(f"{OPERATION} .opblock-summary-control")
    await page.until(f"document.querySelectorAll('{OPERATION} .parameters tbody tr').length >= 5")
    await page.click(f"{OPERATION} .execute")
    answer = f"document.querySelector('{OPERATION} .live-responses-table')"
    status = await page.until(f"{answer}?.querySelector(':scope > tbody .response-col_status')?.innerText")
    body = await page.evaluate(f"{answer}.querySelector('.highlight-code pre').innerText")

    assert status.startswith("200")
    assert json.loads(body) == {"items": [], "next_cursor": None}


async def test_problem_is_explained_where_its_link_leads(server: Served, page: Tab) -> None:
    await page.open(f"{server.url}/problems/upstream.timeout_uncertain")

    assert "It may have happened." in await page.text()
