"""The API catalog: a set of links in the form of RFC 9264, and to each caller no more than is open to them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import Unavailable
from gateway.identity import Verifier
from openapi.common.types import Code
from tests.e2e.product import Product, product

PATH = "/.well-known/api-catalog"
TRIES = 120
"""What the policies that ship let an address try in a minute."""
EXTENDED = """
process/billing_holds/v1:
  deprecated_at: 2026-11-01T00:00:00Z
  sunset_at: 2026-11-20T00:00:00Z
  extensions: [{client_id: late, issuer: "ISSUER", until: 2099-01-01T00:00:00Z, reason: Late.}]
"""
LIVES = "process/billing_holds/v1: {deprecated_at: 2026-11-01T00:00:00Z, sunset_at: 2026-11-20T00:00:00Z}\n"


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with product(tmp_path_factory.mktemp("catalog")) as it:
        yield it


def apis(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the links of each API, which the catalog's own lead to (RFC 9727 §3.1)."""
    members, *links = list[dict[str, Any]](document["linkset"])
    assert members["anchor"].endswith(PATH)
    assert [one["href"] for one in members["item"]] == [one["anchor"] for one in links]
    return links


def anchors(document: dict[str, Any]) -> list[str]:
    return [links["anchor"] for links in apis(document)]


async def test_strangers_get_a_set_of_links(served: Product) -> None:
    async with served.stranger() as stranger:
        answer = await stranger.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == (
        'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
    )
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Authorization", "public, max-age=60")
    assert any("/system/" in anchor for anchor in anchors(answer.json()))
    for links in apis(answer.json()):
        assert links.pop("anchor").startswith("http")
        assert {"service-desc", "service-doc", "service-meta", "status"} <= set(links)
        assert all(link["href"].startswith("http") for targets in links.values() for link in targets)


async def test_head_links_to_the_catalog(served: Product) -> None:
    async with served.stranger() as stranger:
        answer = await stranger.head(PATH)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["link"].endswith(f'{PATH}>; rel="api-catalog"')


async def test_what_is_unchanged_is_not_sent_again(served: Product) -> None:
    async with served.stranger() as stranger:
        etag = (await stranger.get(PATH)).headers["etag"]
        assert (await stranger.get(PATH, headers={"if-none-match": etag})).status_code == 304


@pytest.mark.parametrize("limits", [{"customers": ("c",)}, {"entities": ("DE01",)}])
async def test_who_sees_no_system_is_shown_none(served: Product, limits: dict[str, tuple[str, ...]]) -> None:
    async with served.client(**limits) as caller:
        answer = await caller.get(PATH)

    assert answer.headers["cache-control"] == "private, no-cache"
    assert anchors(answer.json())
    assert not any("/system/" in anchor for anchor in anchors(answer.json()))


async def test_token_that_is_not_accepted_is_refused(served: Product) -> None:
    async with served.stranger({"Authorization": "Bearer forged"}) as stranger:
        answer = await stranger.get(PATH)

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_caller_is_shown_what_its_scopes_open(served: Product) -> None:
    async with served.client(scopes=("status:read",)) as caller:
        answer = await caller.get(PATH)

    assert {anchor.partition("/process/")[2] for anchor in anchors(answer.json())} == {"status/v1"}
    assert answer.headers["vary"] == "Authorization"


async def test_client_that_is_denied_is_refused_by_its_next_call(served: Product) -> None:
    async with served.client("leaked") as leaked, served.client() as team:
        before = (await leaked.get(PATH)).status_code
        wanted = {"kind": "client", "value": "leaked", "reason": "Its token stood in a log."}
        key = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
        (await team.post("/platform/governance/v1/denials", json=wanted, headers=key)).raise_for_status()

        after = (await leaked.get(PATH)).status_code

    assert (before, after) == (200, 401)


async def test_versions_lead_to_each_other_and_go_with_their_sunset(tmp_path: Path) -> None:
    async with product(tmp_path) as own, own.stranger() as stranger, own.client() as team:
        before = {links["anchor"]: links for links in apis((await stranger.get(PATH)).json())}
        (own.settings.path("policies") / "lifecycle.yaml").write_text(LIVES)
        (await team.post("/platform/governance/v1/policy-reloads")).raise_for_status()
        after = anchors((await stranger.get(PATH)).json())

    older, newer = (next(one for one in before if one.endswith(f"billing-holds/v{n}")) for n in (1, 2))
    assert before[older]["successor-version"] == [{"href": newer}]
    assert before[newer]["predecessor-version"] == [{"href": older}]
    assert older not in after
    assert newer in after


async def test_extension_shows_a_version_to_its_client_alone(tmp_path: Path) -> None:
    async with product(tmp_path) as own, own.stranger() as stranger, own.client() as team:
        issuer = own.settings.issuers[0].issuer
        (own.settings.path("policies") / "lifecycle.yaml").write_text(EXTENDED.replace("ISSUER", issuer))
        (await team.post("/platform/governance/v1/policy-reloads")).raise_for_status()
        async with own.client("late") as late, own.client("crm") as crm:
            shown = [anchors((await who.get(PATH)).json()) for who in (late, crm, stranger)]

    assert [any(one.endswith("billing-holds/v1") for one in each) for each in shown] == [True, False, False]


async def test_who_cannot_be_told_apart_just_now_is_answered_so(
    served: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable(Code.auth_unavailable, "Nobody can tell just now.")

    monkeypatch.setattr(Verifier, "verify", away)
    async with served.client("newcomer") as newcomer, served.stranger() as stranger:
        answers = [await newcomer.get(PATH), await stranger.get(PATH)]

    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[0].headers["retry-after"]


async def test_flood_of_forged_tokens_shuts_its_own_address_out(served: Product) -> None:
    async with served.stranger() as stranger, served.client("known") as known, served.client("new") as new:
        before = (await known.get(PATH)).status_code
        answers = [await stranger.get(PATH, headers={"Authorization": f"Bearer forged{n}"}) for n in range(TRIES + 5)]
        others = [await who.get(PATH) for who in (known, new)]
        elsewhere = httpx.ASGITransport(served.edge, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://gateway") as another:
            theirs = await another.get(PATH, headers={"Authorization": "Bearer forged"})

    assert before == 200
    assert {answer.status_code for answer in answers} == {401, 429}
    assert (answers[0].status_code, answers[-1].status_code) == (401, 429)
    assert answers[-1].headers["retry-after"]
    assert [answer.status_code for answer in others] == [200, 200], "A token that is good is taken all the same."
    assert theirs.status_code == 401
