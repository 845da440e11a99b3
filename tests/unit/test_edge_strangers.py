"""What a network address may try without a token that is accepted, and that nobody else pays for it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from gateway.counters import CountersAway, Question, Told
from gateway.counters.memory import MemoryCounters
from gateway.errors import Unavailable
from gateway.store.audit import TABLE
from gateway.store.denials import Denial, DenialKind
from gateway.telemetry.metrics import TURNED_AWAY
from openapi.common.types import Code
from tests.edge_world import CUSTOMER, ONBOARDINGS, STATUS, Reply, World

FORGED = "a.b.c"
PROXY, ATTACKER, OTHER = "10.1.1.1", "198.51.100.7", "203.0.113.9"
POLICIES = """
- {kind: audit}
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, limit: 100, window_s: 100, when_unavailable: allow}
- {kind: rate_limit, per: address, limit: 3, window_s: 30, when_unavailable: WHEN}
"""


class Checks:
    """How often a token was verified, and how often only by what this process has."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self._verify = 0, world.verifier.verify
        self.made_now, self._verify_now = 0, world.verifier.verify_now
        monkeypatch.setattr(world.verifier, "verify", self._count)
        monkeypatch.setattr(world.verifier, "verify_now", self._count_now)

    async def _count(self, token: bytes, look: Callable[[], Awaitable[None]]) -> object:
        self.made += 1
        return await self._verify(token, look)

    def _count_now(self, token: bytes) -> object:
        self.made_now += 1
        return self._verify_now(token)


class AwayAgain(MemoryCounters):
    """Nobody counts until somebody does again."""

    away = True

    def ask_now(self, question: Question) -> Told:
        if self.away:
            raise CountersAway(str(question))
        return super().ask_now(question)


class Waiting(MemoryCounters):
    """Nobody knows at once what was counted."""

    def ask_now(self, question: Question) -> Told | None:  # type: ignore[override] # as shared counters have it.
        return None if question.limits else super().ask_now(question)

    async def ask(self, question: Question) -> Told:
        told = super().ask_now(question)
        await asyncio.sleep(0)
        return told


def limiting(world: World, when: str = "refuse", counters: MemoryCounters | None = None) -> World:
    """Return an edge that counts strangers."""
    return World(
        *(world.folder, world.store, world.clock, POLICIES.replace("WHEN", when), counters),
        trusted_proxies=("10.0.0.0/8",),
    )


@pytest.fixture
def limited(world: World) -> World:
    return limiting(world)


async def tried(world: World, times: int, client: str = ATTACKER, token: str | None = FORGED) -> list[Reply]:
    """Return the answers to so many tries of an address."""
    return [await world.send("GET", STATUS, token=token, client=client) for _ in range(times)]


@pytest.mark.parametrize("token", ["a.b.c", None, "", "a" * 9_000])
async def test_address_that_tried_too_often_is_shut_out(limited: World, token: str | None) -> None:
    replies = await tried(limited, 5, token=token)

    assert [reply.status for reply in replies] == [401, 401, 401, 429, 429]
    assert {reply.code for reply in replies[3:]} == {"rate.limited"}
    assert replies[3].json["violated-policies"] == ["address"]
    assert replies[3].json["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert {reply.headers["retry-after"] for reply in replies[3:]} == {"10"}
    assert limited.framework.seen == []


async def test_only_so_many_tokens_are_looked_at_for_all_addresses_that_are_shut_out(
    limited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = Checks(limited, monkeypatch)

    await tried(limited, 50)
    await tried(limited, 50, OTHER)

    assert (checks.made, checks.made_now) == (8, 20)


async def test_token_that_is_new_is_taken_from_an_address_that_is_shut_out(limited: World) -> None:
    await tried(limited, 9)

    renewed = await limited.send("GET", STATUS, token=limited.token(), client=ATTACKER)

    assert renewed.status == 200
    assert [reply.status for reply in await tried(limited, 2)] == [429] * 2


async def test_token_that_is_new_is_taken_as_soon_as_there_is_time_to_look_at_it(limited: World) -> None:
    token = limited.token()
    await tried(limited, 4 + 20)
    before = await limited.send("GET", STATUS, token=token, client=ATTACKER)
    limited.clock.forward(1)
    after = await limited.send("GET", STATUS, token=token, client=ATTACKER)

    assert (before.status, before.code, after.status) == (429, "rate.limited", 200)


async def test_token_that_is_denied_is_not_taken_from_an_address_that_is_shut_out(limited: World) -> None:
    denial = Denial(
        id="dny_1", kind=DenialKind.client, name="crm", reason="lost", denied_by="ops", denied_at=limited.clock()
    )
    limited.denied.append(denial)
    await limited.verifier.reload_denials(1)
    await tried(limited, 4)

    reply = await limited.send("GET", STATUS, token=limited.token(), client=ATTACKER)

    assert (reply.status, limited.denials_read) == (429, 1)


async def test_no_issuer_is_asked_for_the_key_of_a_token_from_an_address_that_is_shut_out(
    limited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def seek(_issuer: str, kid: str) -> None:
        asked.append(kid)

    monkeypatch.setattr(limited.verifier.keys, "find", lambda _issuer, _kid: None)
    monkeypatch.setattr(limited.verifier.keys, "seek", seek)
    replies = await tried(limited, 9, token=limited.token())

    assert [reply.status for reply in replies] == [401] * 3 + [429] * 6
    assert len(asked) == 4


@pytest.mark.parametrize("path", [CUSTOMER, ONBOARDINGS, "/process/nothing/v1/here", "/system/books/erp/v1/nothing"])
async def test_address_is_shut_out_of_all_operations_at_once(
    limited: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    await tried(limited, 4)
    checks = Checks(limited, monkeypatch)

    assert (await limited.send("GET", path, token=FORGED, client=ATTACKER)).status == 429
    assert (checks.made, checks.made_now) == (0, 1)


async def test_try_that_is_refused_does_not_lengthen_the_penalty(limited: World) -> None:
    await tried(limited, 4)
    for _ in range(9):
        limited.clock.forward(1)
        assert [reply.status for reply in await tried(limited, 3)] == [429] * 3
    limited.clock.forward(1)

    assert [reply.status for reply in await tried(limited, 2)] == [401, 429]


async def test_all_tries_come_back_after_the_window(limited: World) -> None:
    await tried(limited, 9)
    limited.clock.forward(30)

    assert [reply.status for reply in await tried(limited, 4)] == [401, 401, 401, 429]


async def test_known_caller_behind_an_address_that_is_shut_out_is_served(limited: World) -> None:
    token = limited.token()
    before = await limited.send("GET", STATUS, token=token, client=ATTACKER)
    await tried(limited, 9)

    after = [await limited.send("GET", STATUS, token=token, client=ATTACKER) for _ in range(9)]

    assert {before.status, *(reply.status for reply in after)} == {200}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_known_caller_is_known_however_the_scheme_is_written(limited: World, scheme: str) -> None:
    token = limited.token()
    fields = [("authorization", f"{scheme} {token}")]
    assert (await limited.send("GET", STATUS, token=None, headers=fields, client=ATTACKER)).status == 200
    await tried(limited, 9)

    assert (await limited.send("GET", STATUS, token=None, headers=fields, client=ATTACKER)).status == 200


async def test_known_caller_whose_query_reads_like_a_token_is_known(limited: World) -> None:
    token = limited.token()
    await limited.send("GET", STATUS, token=token, client=ATTACKER)
    await tried(limited, 9)

    reply = await limited.send("GET", f"{STATUS}?code=access_token_7", token=token, client=ATTACKER)

    assert reply.status == 200


async def test_accepted_tokens_cost_their_address_nothing(limited: World) -> None:
    for number in range(9):
        assert (await limited.send("GET", STATUS, token=limited.token(f"c{number}"), client=ATTACKER)).status == 200

    assert [reply.status for reply in await tried(limited, 3)] == [401] * 3


async def test_known_caller_without_rights_costs_the_address_nothing(limited: World) -> None:
    token = limited.token(scopes=())
    for _ in range(9):
        assert (await limited.send("GET", STATUS, token=token, client=ATTACKER)).status == 403

    assert [reply.status for reply in await tried(limited, 3)] == [401] * 3


async def test_refusal_names_the_row_as_its_limit_is_named(world: World) -> None:
    named = POLICIES.replace("per: address", "per: address, name: strangers").replace("WHEN", "refuse")
    replies = await tried(World(world.folder, world.store, world.clock, named), 5)

    assert [reply.json["violated-policies"] for reply in replies[3:]] == [["strangers"], ["strangers"]]


async def test_addresses_have_a_quota_each(limited: World) -> None:
    await tried(limited, 9)

    assert [reply.status for reply in await tried(limited, 4, OTHER)] == [401, 401, 401, 429]


async def test_address_behind_a_proxy_is_told_from_the_others_there(limited: World) -> None:
    async def through_proxy(forwarded: str) -> int:
        fields = [("x-forwarded-for", forwarded)]
        return (await limited.send("GET", STATUS, token=FORGED, headers=fields, client=PROXY)).status

    first = [await through_proxy(f"10.9.9.{number}, {number}.1.1.1, {ATTACKER}") for number in range(5)]

    assert first == [401, 401, 401, 429, 429]
    assert await through_proxy(OTHER) == 401
    assert [reply.status for reply in await tried(limited, 1)] == [429]


async def test_fields_of_a_peer_that_is_no_proxy_give_it_no_second_quota(limited: World) -> None:
    replies = [
        await limited.send("GET", STATUS, token=None, headers=[("x-forwarded-for", f"192.0.2.{number}")], client=OTHER)
        for number in range(5)
    ]

    assert [reply.status for reply in replies] == [401, 401, 401, 429, 429]


async def test_network_of_ipv6_is_one_address(limited: World) -> None:
    replies = [
        await limited.send("GET", STATUS, token=None, client=f"2001:db8::{number:x}:1") for number in range(1, 6)
    ]

    assert [reply.status for reply in replies] == [401, 401, 401, 429, 429]
    assert (await limited.send("GET", STATUS, token=None, client="2001:db8:0:1::1")).status == 401


async def test_tries_are_written_down_under_their_decisions(limited: World) -> None:
    replies = await tried(limited, 4)

    async with limited.store.begin() as connection:
        rows = (await connection.execute(select(TABLE).order_by(TABLE.c.sequence))).mappings().all()
    assert [row["code"] for row in rows] == [*["auth.invalid_token"] * 3, "rate.limited"]
    assert [f"urn:tiebeam:decision:{row['id']}" for row in rows] == [reply.json["instance"] for reply in replies]


async def test_strangers_are_written_down_with_the_address_that_is_charged_and_nobody_else_is(limited: World) -> None:
    await tried(limited, 1)
    await limited.send("GET", STATUS, token=None, client="2001:db8:0:1::1")
    await limited.send("GET", STATUS, token=limited.token(scopes=[]), client="192.0.2.77")

    async with limited.store.begin() as connection:
        rows = (await connection.execute(select(TABLE.c.status, TABLE.c.address).order_by(TABLE.c.sequence))).all()
    assert [tuple(row) for row in rows] == [(401, ATTACKER), (401, "2001:db8:0:1::/64"), (403, None)]


async def test_tries_of_an_address_that_is_shut_out_name_the_decision_that_shut_it_out(limited: World) -> None:
    replies = await tried(limited, 4)
    for method, path in (("PUT", STATUS), ("GET", "/system")):
        replies.append(await limited.send(method, path, token=FORGED, client=ATTACKER))
    limited.clock.forward(10)
    again = await tried(limited, 3)

    ids = await decisions(limited)
    assert [reply.status for reply in again] == [401, 429, 429]
    assert [reply.json["instance"] for reply in replies[3:]] == [ids[3]] * 3
    assert [reply.json["instance"] for reply in again] == [ids[4], ids[5], ids[5]]
    assert len(ids) == 6
    assert limited.kit.metrics.total(TURNED_AWAY) == 3


async def test_calls_that_are_found_out_together_have_one_row_for_shutting_their_address_out(world: World) -> None:
    together = limiting(world, counters=Waiting(world.seconds))

    replies = await asyncio.gather(*(together.send("GET", STATUS, token=FORGED, client=ATTACKER) for _ in range(9)))

    refused = [reply.json["instance"] for reply in replies if reply.status == 429]
    ids = await decisions(together)
    assert len(refused) == 6
    assert (len(ids), len(set(refused))) == (4, 1)


async def decisions(world: World) -> list[str]:
    """Return what is written down, by the names that problems have for it."""
    async with world.store.begin() as connection:
        ids = (await connection.execute(select(TABLE.c.id).order_by(TABLE.c.sequence))).scalars().all()
    return [f"urn:tiebeam:decision:{one}" for one in ids]


@pytest.mark.parametrize(
    ("when", "statuses"),
    [
        ("allow", [401] * 6),
        ("refuse", [503] * 6),
        ("count_alone", [401, 401, 401, 429, 429, 429]),
    ],
)
async def test_row_says_what_strangers_may_while_nobody_counts(world: World, when: str, statuses: list[int]) -> None:
    blind = limiting(world, when, AwayAgain())

    replies = await tried(blind, 6)

    assert [reply.status for reply in replies] == statuses
    assert all("retry-after" in reply.headers for reply in replies if reply.status != 401)


async def test_known_caller_is_served_while_nobody_counts_strangers(world: World) -> None:
    blind = limiting(world, "refuse", AwayAgain())

    assert (await blind.send("GET", STATUS, client=ATTACKER)).status == 200
    assert (await tried(blind, 1))[0].code == "limits.unavailable"


async def test_counters_that_are_back_count_strangers_again(world: World) -> None:
    counters = AwayAgain(world.seconds)
    back = limiting(world, "allow", counters)
    await tried(back, 9)
    counters.away = False

    assert [reply.status for reply in await tried(back, 4)] == [401, 401, 401, 429]


async def test_identity_provider_that_is_away_costs_the_address_nothing(
    limited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_token: bytes, _look: object) -> None:
        raise Unavailable(Code.auth_unavailable, "away")

    with monkeypatch.context() as patched:
        patched.setattr(limited.verifier, "verify", away)
        assert {reply.status for reply in await tried(limited, 9)} == {503}

    assert [reply.status for reply in await tried(limited, 4)] == [401, 401, 401, 429]


async def test_strangers_are_not_told_of_their_quota_in_advance(limited: World) -> None:
    reply = (await tried(limited, 1))[0]

    assert not {"ratelimit", "ratelimit-policy"} & reply.headers.keys()


async def test_public_operation_is_open_to_an_address_that_is_shut_out(limited: World) -> None:
    await tried(limited, 9)

    assert (await limited.send("GET", "/process/status/v1/about", token=None, client=ATTACKER)).status == 200


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/%zz", [], 400),
        ("/a" * 5_000, [], 414),
        (STATUS, [("x-filler", "a" * 40_000)], 431),
    ],
)
async def test_what_cannot_be_read_costs_its_address_too(
    limited: World, target: str, headers: list[tuple[str, str]], status: int
) -> None:
    sent = [await limited.send("GET", target, token=None, headers=headers, client=ATTACKER) for _ in range(6)]
    other = await limited.send("GET", target, token=None, headers=headers, client=OTHER)

    async with limited.store.begin() as connection:
        rows = (await connection.execute(select(TABLE.c.status, TABLE.c.address).order_by(TABLE.c.sequence))).all()
    assert [reply.status for reply in sent] == [status] * 3 + [429] * 3
    assert [tuple(row) for row in rows] == [
        *[(status, ATTACKER)] * 3,
        (429, ATTACKER),
        (status, OTHER),
    ]
    assert other.status == status


async def test_caller_who_is_known_goes_on_where_too_much_could_not_be_read(limited: World) -> None:
    token = limited.token()
    sent = [(await limited.send("GET", "/%zz", token=token, client=ATTACKER)).status for _ in range(4)]

    assert sent == [400, 400, 400, 429]
    assert (await limited.send("GET", STATUS, token=token, client=ATTACKER)).status == 200
