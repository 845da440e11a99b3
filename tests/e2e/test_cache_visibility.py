"""No caller is given what was kept for another: every read, with its filters and cursors, asked by turns.

Each caller's answers with all caches on are those of the same caller without any, kept for identities and for
visibility classes; and no entity tag of one caller makes another believe that it has an answer which it has not.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import httpx
import pytest
import yaml

from gateway import main
from gateway.contract import Operation
from gateway.edge import Edge, operations_of
from gateway.policy.document import Row, policies_of
from gateway.policy.plan import PolicySet, compiled
from gateway.shipped import shipped
from tests.e2e.firm import Case, Firm, firm_on_fakes
from tests.e2e.firm_money import COST
from tests.e2e.test_visibility import ROWS, url_of

FINANCE: Final = "finance:read"
LONG_S: Final = 3600
OF_THE_EDGE: Final = "platform/governance/"
NARROWED: Final = {"kind": "consumer", "client_id": "narrowed", "owner": "Tests", "legal_entities": ["DE01"]}
SCOPED: Final = {"kind": "consumer", "client_id": "scoped", "owner": "Tests", "scopes": ["status:read"]}
OWN: Final = ("as_of", "instance", "correlation_id", "next_cursor")
"""What every exchange has of its own."""

Mode = Literal["identity", "visibility"]
Told = tuple[int, Any]


class Reader(NamedTuple):
    """Somebody who asks; of one class are those who are shown the same."""

    name: str
    view: str
    client: httpx.AsyncClient


class Books(NamedTuple):
    """The product with things in it, who asks, and what they are told without caches."""

    edge: Edge
    sets: dict[str, PolicySet]
    readers: list[Reader]
    urls: list[str]
    told: dict[tuple[str, str], Told]


@pytest.fixture(scope="module")
async def firm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firm]:
    async with firm_on_fakes(tmp_path_factory.mktemp("firm")) as opened:
        yield opened


@pytest.fixture(scope="module")
async def books(firm: Firm) -> AsyncIterator[Books]:
    """Everything planted, and asked for once without caches."""
    case = await firm.plant_all()
    edge = firm.product.parts.in_force.edge
    async with AsyncExitStack() as stack:
        readers = [
            reader._replace(client=await stack.enter_async_context(reader.client)) for reader in readers_of(firm, case)
        ]
        sets = {mode: rows_for(firm, mode) for mode in ("nothing", "identity", "visibility")}
        edge.use(sets["nothing"])
        urls = list(dict.fromkeys([url async for url in urls_of(firm, case, readers[0].client)]))
        for url in urls:  # What a read learns of the systems on its way is known from here on.
            await readers[0].client.get(url)
        told = {(reader.name, url): answered(await reader.client.get(url)) for url in urls for reader in readers}
        yield Books(edge, sets, readers, urls, told)


def readers_of(firm: Firm, case: Case) -> Iterator[Reader]:
    """Yield callers of every kind, each class twice: as two clients."""
    product = firm.product
    views: dict[str, dict[str, tuple[str, ...]]] = {
        "all": {},
        "all and costs": {"scopes": (*product.scopes, FINANCE)},
        "another entity": {"entities": ("DE01",)},
        "the owner's entity": {"entities": ("ES01",)},
        "an entity of nobody's": {"entities": ("GB01",)},
        "another customer": {"customers": (firm.other["customer"],)},
        "the owner's customer": {"customers": (case.ids["customer"],)},
        "the owner's customer and costs": {"customers": (case.ids["customer"],), "scopes": (*product.scopes, FINANCE)},
        "another project": {"projects": (firm.other["project"],)},
        "the owner's project": {"projects": (case.ids["project"],)},
    }
    for view, limits in views.items():
        for client in ("first", "second"):
            yield Reader(f"{view}, {client}", view, product.client(client=client, **limits))
    yield Reader("narrowed by its row", "another entity", product.client(client="narrowed"))
    yield Reader("scoped by its row", "status alone", product.client(client="scoped"))


def rows_for(firm: Firm, mode: str) -> PolicySet:
    """Return the product's own rows without its caches, and one cache for every read instead."""
    own = [row for row in firm.product.parts.installation.rows if row.policy.kind != "cache"]
    cache: dict[str, Any] = {"kind": "cache", "fresh_s": LONG_S, "when_unavailable": "bypass"}
    cache["match"] = {"operations": ["system/*", "process/*", "platform/operations/*"]}
    if mode == "visibility":
        cache |= {"shared_by": "visibility", "fresh_s": LONG_S - 1}
    added = [NARROWED, SCOPED, *([] if mode == "nothing" else [cache])]
    rows: list[Row] = [*own, *policies_of("90-tests.yaml", added)]
    issuers = [issuer.issuer for issuer in firm.product.parts.installation.settings.issuers]
    return compiled(rows, operations_of(main.apis_of(firm.product.parts)), issuers)


def reads_of(firm: Firm) -> dict[str, Operation]:
    """Return every read that is served, by its name; what tells of the edge itself changes with its rows."""
    apis = main.apis_of(firm.product.parts)
    reads = [one for api in apis for one in api.operations if one.method == "GET" and not one.public]
    return {one.name: one for one in reads if not one.name.startswith(OF_THE_EDGE)}


async def urls_of(firm: Firm, case: Case, everybody: httpx.AsyncClient) -> AsyncIterator[str]:
    """Yield every read of the owner's things: with each filter, and its second page with everybody's cursor."""
    for name, operation in reads_of(firm).items():
        for query in ROWS[name].filters:
            path, filters = url_of(operation, ROWS[name], case, query)
            if "cursor" not in operation.query:
                yield f"{path}?{filters}".rstrip("?&")
                continue
            yield f"{path}?limit=100&{filters}".rstrip("?&")
            page = f"{path}?limit=1&{filters}".rstrip("?&")
            first = await everybody.get(page)
            yield page
            if cursor := first.json().get("next_cursor"):
                yield f"{page}&cursor={cursor}"


@pytest.mark.parametrize("mode", ["identity", "visibility"])
async def test_nobody_is_given_what_was_kept_for_another(books: Books, mode: Mode) -> None:
    books.edge.use(books.sets[mode])
    kept = 0
    for url in books.urls:
        given = dict[str, bytes]()
        for reader in [*books.readers, *reversed(books.readers)]:
            answer = await reader.client.get(url)

            assert differences(answered(answer), books.told[reader.name, url]) == [], f"{reader.name} at {url}"
            hit = "hit" in answer.headers.get("cache-status", "")
            assert not hit or answer.content == given[of(reader, mode)], f"{reader.name} at {url}"
            given.setdefault(of(reader, mode), answer.content)
            kept += hit

    assert kept > 5 * len(books.urls), "The caches were hardly used: this shows nothing."


@pytest.mark.parametrize("mode", ["identity", "visibility"])
async def test_entity_tag_of_another_says_unchanged_only_where_the_bytes_are(books: Books, mode: Mode) -> None:
    books.edge.use(books.sets[mode])
    tried = 0
    for url in books.urls:
        answers = [(reader, await reader.client.get(url)) for reader in books.readers]
        for (_, theirs), (reader, own) in pairwise([*answers, answers[0]]):
            if theirs.status_code != 200 or own.status_code != 200:
                continue
            asked = await reader.client.get(url, headers={"If-None-Match": theirs.headers["etag"]})

            assert asked.status_code == 200 or theirs.content == own.content, f"{reader.name} at {url}"
            assert asked.status_code in {200, 304}
            tried += 1

    assert tried > len(books.urls)


@pytest.mark.parametrize("path", ["/process/time-transfer/v1/entries", "/process/status/v1/billing-statuses"])
async def test_costs_are_kept_for_finance_alone(books: Books, path: str) -> None:
    books.edge.use(books.sets["visibility"])
    url = next(url for url in books.urls if url.startswith(path) and "project=" in url and "limit=1&" not in url)

    shown = {reader.view for _ in range(2) for reader in books.readers if COST in (await reader.client.get(url)).text}

    assert shown == {"all and costs"}


def test_every_read_is_asked(firm: Firm, books: Books) -> None:
    asked = {url.partition("?")[0] for url in books.urls}
    told = {status for (_, url), (status, _) in books.told.items()}

    assert len(asked) >= len(reads_of(firm)) - 2  # Two capabilities' paths differ by connection alone.
    assert sum("cursor=" in url for url in books.urls) >= 11
    assert {200, 403, 404} <= told


COSTLY: Final = re.compile("finance:read")


def fields_of_finance(node: Any) -> Iterator[str]:  # noqa: ANN401 - a document is anything.
    """Yield the names of fields that a contract shows to finance alone."""
    if isinstance(node, dict):
        for name, field in (node.get("properties") or {}).items():
            if isinstance(field, dict) and COSTLY.search(str(field.get("description", ""))):
                yield name
        for child in node.values():
            yield from fields_of_finance(child)
    elif isinstance(node, list):
        for child in node:
            yield from fields_of_finance(child)


def test_nothing_is_filtered_or_sorted_by_what_finance_alone_is_shown(firm: Firm) -> None:
    documents = [yaml.safe_load(path.read_text()) for path in shipped("openapi").rglob("*.yaml")]
    hidden = {name for document in documents for name in fields_of_finance(document)} | {"margin"}
    sorting = re.compile(r"sort|order")

    assert {"cost", "rate"} <= hidden
    for name, operation in reads_of(firm).items():
        told = {word for parameter in operation.query for word in parameter.split("_")}
        assert not told & hidden, f"{name} filters by what only {FINANCE} shows: ask for the scope, or leave it out."
        assert not [one for one in operation.query if sorting.search(one)], f"{name}: say here by what it sorts."


async def test_unknown_filters_and_orders_are_refused(books: Books) -> None:
    for order in ("sort=cost", "order_by=-margin", "cost=1", "min_margin=0.2", "fields=cost"):
        answer = await books.readers[0].client.get(f"/process/time-transfer/v1/entries?{order}")

        assert answer.status_code in {400, 422}, order


def of(reader: Reader, mode: Mode) -> str:
    """Return for whom an answer is kept."""
    return reader.name if mode == "identity" else reader.view


def answered(answer: httpx.Response) -> Told:
    """Return what an answer says, without what every exchange has of its own."""
    return answer.status_code, stripped(json.loads(answer.content)) if answer.content else None


def differences(one: Any, other: Any, at: str = "") -> list[str]:  # noqa: ANN401 - a document is anything.
    """Return where two documents are not the same."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for name in one for found in differences(one[name], other[name], f"{at}/{name}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for place, (left, right) in pairs for found in differences(left, right, f"{at}/{place}")]
    return [] if one == other else [f"{at}: {one!r} is not {other!r}"]


def stripped(node: Any) -> Any:  # noqa: ANN401 - a document is anything.
    """Return the document without what every exchange has of its own."""
    if isinstance(node, dict):
        return {name: stripped(value) for name, value in node.items() if name not in OWN}
    return [stripped(each) for each in node] if isinstance(node, list) else node
