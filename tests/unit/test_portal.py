"""The pages for developers: what they show, what they never show, and that nobody else is asked for anything."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from gateway.contract.compatibility import Change, Kind
from gateway.contract.released import Entry
from gateway.lifecycle import Version
from gateway.lifecycle.document import BrownOut, FieldRetirement, Retirement
from gateway.portal import Lives, reference, routes
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


NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
GOING = replace(
    VERSION,
    deprecated_at=datetime(2026, 12, 1, tzinfo=UTC),
    sunset_at=datetime(2027, 3, 31, tzinfo=UTC),
    successor="process/sample_things/v2",
    brown_outs=(BrownOut(since=datetime(2027, 2, 1, 9, tzinfo=UTC), until=datetime(2027, 2, 1, 10, tzinfo=UTC)),),
    operations={"list_things": Retirement(deprecated_at=datetime(2026, 12, 1, tzinfo=UTC), instead="Ask for one.")},
    fields=(
        FieldRetirement(
            operation="list_things",
            place="query",
            pointer="limit",
            deprecated_at=datetime(2026, 12, 1, tzinfo=UTC),
            sunset_at=datetime(2027, 2, 1, tzinfo=UTC),
            instead="Take the page as it comes.",
        ),
    ),
)


@asynccontextmanager
async def pages(version: Version = VERSION, now: datetime = NOW) -> AsyncIterator[httpx.AsyncClient]:
    api = bound()
    lives = Lives(lambda: {CONTRACT: version}, lambda: now)
    async with client(api, *routes([api], lives), caller=None) as it:
        yield it


@pytest.fixture(autouse=True)
def without_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample's contract lies elsewhere than those that are released."""
    monkeypatch.setattr("gateway.portal.version_page.released.changelog", _changelog)


def _changelog(contract: str) -> list[Entry]:
    changes = () if contract == CONTRACT else CHANGES
    since = None if contract == CONTRACT else f"{CONTRACT} 1.0.0"
    return [Entry(contract=contract, version="1.0.0", released_on=None, since=since, changes=changes)]


CHANGES = (
    Change(
        kind=Kind.answer_property_added, operation="GET /things", pointer="/a", breaking=False, words="`size` is new."
    ),
    Change(
        kind=Kind.answer_property_removed, operation="GET /things", pointer="/b", breaking=True, words="`old` is gone."
    ),
    Change(kind=Kind.answer_words_changed, operation=None, pointer="/c", breaking=False, words="It reads differently."),
)


@pytest.fixture
async def portal() -> AsyncIterator[httpx.AsyncClient]:
    async with pages() as it:
        yield it


async def test_index_shows_each_api_with_its_owner_and_where_to_go(portal: httpx.AsyncClient) -> None:
    page = await portal.get("/docs")

    assert page.status_code == 200
    for shown in (
        "Sample things",
        "Shows <code>everything</code>.",
        "PMO &lt;script&gt;",
        "Active",
        f'href="/docs{BASE}"',
        f'href="/openapi/{CONTRACT}.yaml"',
        f"{BASE}/things/{{thing_id}}",
        "See the things",
    ):
        assert shown in page.text


async def test_bare_address_leads_to_the_index(portal: httpx.AsyncClient) -> None:
    answer = await portal.get("/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")


@pytest.mark.parametrize(
    ("now", "badge", "banner"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), "Deprecation announced", "will be deprecated on"),
        (NOW, "Deprecated", "is deprecated since"),
        (datetime(2027, 2, 1, 9, 30, tzinfo=UTC), "Off for a while", "is off for a while"),
        (datetime(2027, 3, 31, tzinfo=UTC), "Gone", "is gone since"),
    ],
)
async def test_page_says_where_a_version_stands(now: datetime, badge: str, banner: str) -> None:
    async with pages(GOING, now) as portal:
        page = (await portal.get(f"/docs{BASE}")).text
        index = (await portal.get("/docs")).text

    assert f">{badge}</span>" in page
    assert f">{badge}</span>" in index
    assert banner in page
    assert 'href="/docs/process/sample-things/v2"' in page


async def test_time_that_is_left_is_true_without_a_script() -> None:
    async with pages(GOING, datetime(2027, 3, 29, 20, tzinfo=UTC)) as portal:
        days = (await portal.get(f"/docs{BASE}")).text
    async with pages(GOING, datetime(2027, 3, 30, 22, 58, 59, tzinfo=UTC)) as portal:
        hours = (await portal.get(f"/docs{BASE}")).text

    assert 'data-until="2027-03-31T00:00:00+0000">1 day</span>' in days
    assert ">1 h 1 min 1 s</span>" in hours
    assert '<time datetime="2027-03-31T00:00:00Z">31 March 2027, 00:00:00 UTC</time>' in days


async def test_page_tells_what_callers_see_and_what_goes_before_the_version() -> None:
    async with pages(GOING) as portal:
        page = (await portal.get(f"/docs{BASE}")).text
        contract = (await portal.get(f"/docs{BASE}/openapi.json")).json()

    assert "Deprecation: @1796083200" in page
    assert "Sunset: Wed, 31 Mar 2027 00:00:00 GMT" in page
    assert "Ask for one." in page
    operation = contract["paths"]["/things"]["get"]
    assert operation["deprecated"]
    assert [each["name"] for each in operation["parameters"] if each.get("deprecated")] == ["limit"]
    assert "is deprecated since 2026-12-01T00:00:00Z and ends 2027-02-01T00:00:00Z." in operation["description"]
    assert contract["info"]["x-sunset"] == "2027-03-31T00:00:00Z"


async def test_what_will_go_is_not_marked_before_its_time() -> None:
    async with pages(GOING, datetime(2026, 11, 1, tzinfo=UTC)) as portal:
        before = (await portal.get(f"/docs{BASE}/openapi.json")).json()["paths"]["/things"]["get"]

    assert "deprecated" not in before
    assert not [each["name"] for each in before["parameters"] if each.get("deprecated")]
    assert "This operation will be deprecated at 2026-12-01T00:00:00Z. Ask for one." in before["description"]


async def test_page_is_made_anew_when_the_life_of_its_version_moves_on() -> None:
    api, moment = bound(), [datetime(2026, 11, 30, tzinfo=UTC)]
    lives = Lives(lambda: {CONTRACT: GOING}, lambda: moment[0])
    async with client(api, *routes([api], lives), caller=None) as portal:
        first, again = [(await portal.get(f"/docs{BASE}/openapi.json")).headers["etag"] for _ in range(2)]
        moment[0] = NOW
        later = (await portal.get(f"/docs{BASE}/openapi.json")).headers["etag"]

    assert first == again != later


async def test_page_shows_what_is_other_in_the_successor_first_what_breaks() -> None:
    async with pages(GOING) as portal:
        page = (await portal.get(f"/docs{BASE}")).text

    assert page.index("<code>old</code> is gone.") < page.index("<code>size</code> is new.")
    assert "It reads differently." not in page


async def test_page_lists_operations_problems_and_types_to_read_and_to_try(portal: httpx.AsyncClient) -> None:
    page = (await portal.get(f"/docs{BASE}")).text

    assert f'data-method="POST" data-path="{BASE}/things"' in page
    assert 'href="/problems/request.cursor_invalid"' in page
    assert 'id="type-CustomerPage"' in page
    assert page.count("<h1>") == 1
    assert "<main" in page
    assert 'class="skip"' in page


async def test_contract_has_its_own_server(portal: httpx.AsyncClient) -> None:
    contract = (await portal.get(f"/docs{BASE}/openapi.json")).json()

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

    assert not re.findall(r'(?:src|href)="(?![/#])', page.text)
    assert not re.findall(r"<script(?! src=)|<style|\son\w+=|\sstyle=", page.text)
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for asset in re.findall(r'(?:src|href)="(/docs/assets/[^"]+)"', page.text):
        assert (await portal.get(asset)).status_code == 200


def test_no_script_keeps_a_token() -> None:
    scripts = [file.content.decode() for name, file in assets().items() if name.endswith(".js")]

    assert len(scripts) == 2
    assert not [word for script in scripts for word in ("Storage", "cookie", "indexedDB") if word in script]


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
