"""The pages for developers: what they show, what they never show, and that nobody else is asked for anything."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from gateway.lifecycle import Version
from gateway.portal import reference, routes
from gateway.portal.files import assets
from gateway.problems import catalogue
from openapi.common.types import Code
from tests.sample_api import BASE, CONTRACT, bound, client

VERSION = Version(
    owner="PMO <script>",
    contact="pmo@example.com",
    service_level="99.9 %",
    data_class="internal",
    review_on=date(2027, 1, 1),
)


@pytest.fixture
async def portal() -> AsyncIterator[httpx.AsyncClient]:
    api = bound()
    async with client(api, *routes([api], {CONTRACT: VERSION}), caller=None) as it:
        yield it


async def test_index_shows_each_api_with_its_owner_and_where_to_go(portal: httpx.AsyncClient) -> None:
    page = await portal.get("/docs")

    assert page.status_code == 200
    for shown in (
        "Sample things",
        "Shows <code>everything</code>.",
        "PMO &lt;script&gt;",
        f'href="/docs{BASE}"',
        f'href="/openapi/{CONTRACT}.yaml"',
        f"{BASE}/things/{{thing_id}}",
        "See the things",
    ):
        assert shown in page.text


async def test_bare_address_leads_to_the_index(portal: httpx.AsyncClient) -> None:
    answer = await portal.get("/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")


async def test_index_says_until_when_a_deprecated_version_lives() -> None:
    version = replace(
        VERSION,
        deprecated_at=datetime(2026, 1, 1, tzinfo=UTC),
        sunset_at=datetime(2999, 3, 31, tzinfo=UTC),
        successor="process/sample_things/v2",
    )
    api = bound()

    async with client(api, *routes([api], {CONTRACT: version})) as portal_of_old:
        page = await portal_of_old.get("/docs")

    assert "deprecated, until 31 March 2999, 00:00 UTC" in page.text
    assert 'href="/openapi/process/sample_things/v2.yaml"' in page.text


async def test_reference_loads_the_contract_with_its_own_server(portal: httpx.AsyncClient) -> None:
    page = await portal.get(f"/docs{BASE}")
    url = re.search(r'data-contract="([^"]+)"', page.text)

    assert url
    contract = (await portal.get(url[1])).json()
    assert contract["servers"] == [{"url": BASE}]
    description = contract["paths"]["/things"]["get"]["description"]
    assert "Scopes: `all:read`, `things:read`." in description
    assert "[request.cursor_invalid](/problems/request.cursor_invalid)" in description
    required = contract["paths"]["/things"]["post"]["parameters"][0]
    assert required["example"], "What is required is filled in."
    assert "Open to everybody." in contract["paths"]["/open"]["get"]["description"]


def test_example_of_what_may_be_left_out_is_told_and_not_filled_in() -> None:
    def give_example(root: dict[str, Any]) -> None:
        root["paths"]["/things"]["get"]["parameters"][1]["example"] = "l"

    size = reference.document(bound(change=give_example))["paths"]["/things"]["get"]["parameters"][1]

    assert "example" not in size
    assert size["description"] == "Inline. For example `l`."


@pytest.mark.parametrize("path", ["/docs", f"/docs{BASE}", "/problems", "/problems/internal"])
async def test_page_asks_no_foreign_host_and_runs_no_script_of_its_own(portal: httpx.AsyncClient, path: str) -> None:
    page = await portal.get(path)

    assert not re.findall(r'(?:src|href)="(?!/)', page.text)
    assert not re.findall(r"<script(?! src=)|<style|\son\w+=|\sstyle=", page.text)
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for asset in re.findall(r'(?:src|href)="(/docs/assets/[^"]+)"', page.text):
        assert (await portal.get(asset)).status_code == 200


def test_reference_asks_no_validator_and_keeps_no_token() -> None:
    script = assets()["reference.js"].content.decode()

    assert "validatorUrl: null" in script
    assert "persistAuthorization" not in script


async def test_contract_is_served_as_written(portal: httpx.AsyncClient) -> None:
    with open("openapi/system/erp/v1.yaml", "rb") as file:  # noqa: ASYNC230, PTH123
        written = file.read()

    served = await portal.get("/openapi/system/erp/v1.yaml")

    assert (served.content, served.headers["content-type"]) == (written, "application/yaml")
    again = await portal.get("/openapi/system/erp/v1.yaml", headers={"If-None-Match": served.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/openapi/generate.py",
        "/openapi/%2e%2e/pyproject.toml",
        "/openapi/system/%2e%2e/problems.yaml",
        "/openapi//etc/passwd",
        "/openapi/system",
        "/docs/assets/README.md",
        "/docs/assets/none.js",
        "/problems/no.such",
        "/docs/process/none/v1",
    ],
)
async def test_nothing_else_is_served(portal: httpx.AsyncClient, path: str) -> None:
    response = await portal.get(f"http://test{path}")

    assert (response.status_code, response.json()["code"]) == (404, "resource.not_found")


@pytest.mark.parametrize("code", Code)
async def test_every_problem_has_its_page(portal: httpx.AsyncClient, code: Code) -> None:
    page = await portal.get(f"/problems/{code}")

    assert page.status_code == 200
    assert f"<code>{code}</code>" in page.text
    assert str(catalogue()[code].status) in page.text


async def test_list_of_problems_leads_to_each(portal: httpx.AsyncClient) -> None:
    page = await portal.get("/problems")

    assert all(f'href="/problems/{code}"' in page.text for code in Code)
