"""Keys at an address: how often an issuer is asked, what its cache headers are worth, and what happens without it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.egress.documents import DocumentError, Documents
from gateway.errors import Refused
from gateway.identity import Verifier
from gateway.keys import KeyTimes
from tests.issuer_world import IssuerWorld, issuer_world
from tests.scripted_server import Behaviour, ScriptedServer, answer, close, cut_short, reset
from tests.tokens import ED_KEY, ISSUER, KEYS, OTHER, STRANGE_KEY, header, jwk, signed, token

NEW = jwk(STRANGE_KEY, "new")
DOWN = answer(503)


def unknown(kid: str = "new") -> bytes:
    return signed(header(kid=kid), None, STRANGE_KEY)


@pytest.fixture
async def world() -> AsyncIterator[IssuerWorld]:
    async with issuer_world() as opened:
        yield opened


async def refuses(verifier: Verifier, given: bytes) -> bool:
    try:
        await verifier.verify(given)
    except Refused:
        return True
    return False


async def test_keys_are_fetched_for_the_first_token_and_not_for_the_next(world: IssuerWorld) -> None:
    await world.verifier.verify(token())
    await world.verifier.verify(token())

    assert world.fetches == 1
    assert (world.server.received[0].method, world.server.received[0].target) == ("GET", "/keys")


async def test_new_key_works_at_once(world: IssuerWorld) -> None:
    await world.verifier.verify(token())
    world.publish(*KEYS, NEW)

    identity = await world.verifier.verify(unknown())

    assert identity.key.kid == "new"
    assert world.fetches == 2


async def test_refetch_for_a_new_key_withdraws_one_that_is_gone(world: IssuerWorld) -> None:
    good = token()
    await world.verifier.verify(good)
    world.publish(NEW)

    await world.verifier.verify(unknown())

    assert world.verifier.remembered(good) is None


@pytest.mark.parametrize(
    "kids", [[f"x{number}" for number in range(1000)], ["x"] * 1000], ids=["all unlike", "all alike"]
)
async def test_storm_of_unknown_keys_costs_one_fetch(world: IssuerWorld, kids: list[str]) -> None:
    await world.verifier.verify(token())
    forged = [unknown(kid) for kid in kids]

    refused = await asyncio.gather(*(refuses(world.verifier, one) for one in forged))

    assert all(refused)
    assert world.fetches == 2


async def test_storm_before_anything_was_fetched_costs_one_fetch(world: IssuerWorld) -> None:
    answers = await asyncio.gather(*(refuses(world.verifier, unknown(f"x{number}")) for number in range(1000)))
    good = await refuses(world.verifier, token())

    assert (all(answers), good) == (True, False)
    assert world.fetches == 1


async def test_strangers_cannot_have_an_issuer_asked_more_often_than_set(world: IssuerWorld) -> None:
    for second in range(90):
        assert await refuses(world.verifier, unknown(f"x{second}"))
        world.clock.now += 1

    assert world.fetches == 1 + 3


async def test_key_that_was_not_there_is_no_reason_to_ask_again_for_a_while(world: IssuerWorld) -> None:
    await refuses(world.verifier, unknown("x"))
    world.clock.now += 31
    await refuses(world.verifier, unknown("x"))
    before = world.fetches
    world.clock.now += 30

    await refuses(world.verifier, unknown("x"))

    assert (before, world.fetches) == (1, 2)


async def test_names_of_keys_that_were_not_there_are_bounded(
    world: IssuerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.keys.from_url.MISSING", 2)
    await asyncio.gather(*(refuses(world.verifier, unknown(f"x{number}")) for number in range(3)))
    world.clock.now += 31
    await refuses(world.verifier, unknown("x2"))  # The newest is remembered still.
    before = world.fetches

    await refuses(world.verifier, unknown("x0"))  # The oldest of three: forgotten, so it is asked for again.

    assert (before, world.fetches) == (1, 2)


async def test_key_that_was_not_there_works_as_soon_as_anybody_fetched_it(world: IssuerWorld) -> None:
    await refuses(world.verifier, unknown())
    world.publish(*KEYS, NEW)
    await world.ring.refresh()

    assert not await refuses(world.verifier, unknown())


async def test_issuer_that_nobody_knows_is_not_asked(world: IssuerWorld) -> None:
    assert await refuses(world.verifier, token(iss="https://evil.example"))
    assert world.fetches == 0


@pytest.mark.parametrize("name", ["jku", "x5u"])
async def test_address_in_a_token_is_never_asked(world: IssuerWorld, name: str) -> None:
    await world.verifier.verify(token())

    assert await refuses(
        world.verifier, signed(header(kid="evil", **{name: f"{world.server.url}/evil"}), None, STRANGE_KEY)
    )
    assert {one.target for one in world.server.received} == {"/keys"}


async def test_unknown_key_of_one_issuer_asks_that_issuer_alone(world: IssuerWorld) -> None:
    verifier = Verifier(world.both, world.clock)

    await refuses(verifier, token(iss=OTHER, kid="x"))

    assert [one.target for one in world.server.received] == ["/theirs"]


async def test_key_of_one_issuer_is_none_of_the_other_though_both_have_its_name(world: IssuerWorld) -> None:
    verifier = Verifier(world.both, world.clock)
    world.is_away(world.serve, answer(body=json.dumps({"keys": [jwk(STRANGE_KEY, "d")]}).encode()))
    await verifier.verify(token())

    assert await refuses(verifier, token(iss=OTHER))
    assert not await refuses(verifier, token(STRANGE_KEY, iss=OTHER))


@pytest.mark.parametrize(
    ("control", "fresh_s"),
    [
        ({}, 300),
        ({"cache-control": "public"}, 300),
        ({"cache-control": "max-age=60"}, 300),
        ({"cache-control": "public, max-age=600"}, 600),
        ({"cache-control": 'Max-Age="600"'}, 600),
        ({"cache-control": "max-age=86400"}, 900),
        ({"cache-control": "max-age=99999999999999999999"}, 900),
        ({"cache-control": "max-age=600", "age": "100"}, 500),
        ({"cache-control": "max-age=600, max-age=400"}, 600),
        ({"cache-control": "s-max-age=600"}, 300),
        ({"cache-control": "max-age=x"}, 300),
        ({"cache-control": "max-age=800", "age": "x"}, 800),
        ({"cache-control": "no-store, max-age=600"}, 300),
        ({"cache-control": "no-cache"}, 300),
    ],
)
async def test_keys_are_fetched_before_they_are_due(
    world: IssuerWorld, control: dict[str, str], fresh_s: float
) -> None:
    world.headers = control
    await world.verifier.start()

    pause_s = await world.slept()

    assert pause_s == pytest.approx(0.8 * fresh_s)


async def test_processes_do_not_all_fetch_at_once(world: IssuerWorld) -> None:
    world.fraction = 1.0
    await world.verifier.start()

    assert await world.slept() == pytest.approx(0.9 * 300)


async def test_key_that_was_withdrawn_stops_working_with_the_next_fetch(world: IssuerWorld) -> None:
    good = token()
    await world.verifier.start()
    pause_s = await world.slept()
    await world.verifier.verify(good)
    world.publish(NEW)

    await world.wake(pause_s)

    assert world.fetches == 2
    assert await refuses(world.verifier, good)


async def test_start_does_not_wait_for_an_issuer(world: IssuerWorld) -> None:
    world.is_away(world.server.hang)

    await world.verifier.start()

    assert world.ring.states[0].kids == ()


async def test_token_that_comes_while_the_first_fetch_is_under_way_waits_for_it(world: IssuerWorld) -> None:
    world.is_away(held := Held(world))
    await world.verifier.start()
    await world.server.arrived(1)
    waiting = asyncio.create_task(refuses(world.verifier, token()))
    held.go.set()

    assert not await waiting
    assert world.fetches == 1


async def test_who_stops_waiting_stops_no_fetch_for_the_others(world: IssuerWorld) -> None:
    world.is_away(held := Held(world))
    impatient = asyncio.create_task(world.verifier.verify(token()))
    await world.server.arrived(1)
    patient = asyncio.create_task(refuses(world.verifier, token()))
    await asyncio.sleep(0)
    impatient.cancel()
    held.go.set()

    assert not await patient
    assert world.fetches == 1


class Held:
    """Answers with the keys as soon as it may."""

    def __init__(self, world: IssuerWorld) -> None:
        self._world, self.go = world, asyncio.Event()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        await self.go.wait()
        await self._world.serve(writer)


FAILURES: dict[str, Behaviour] = {
    "status 500": answer(500),
    "status 404": answer(404, b'{"keys": []}'),
    "status 204": answer(204, b""),
    "a redirect": answer(302, headers={"location": "/elsewhere"}),
    "a permanent redirect": answer(308, headers={"location": "/elsewhere"}),
    "a page": answer(body=b"<html>Sign in</html>"),
    "a list": answer(body=b"[]"),
    "too many keys": answer(body=json.dumps({"keys": [jwk(ED_KEY, "d")] * 101}).encode()),
    "too many bytes": answer(body=b'{"keys": []}' + b" " * 262_144),
    "an encoding": answer(body=b"x", headers={"content-encoding": "br"}),
    "broken gzip": answer(body=b"\x1f\x8bnot", headers={"content-encoding": "gzip"}),
    "a hang-up": close,
    "a reset": reset,
    "half an answer": cut_short,
}


@pytest.mark.parametrize("name", FAILURES)
async def test_keys_stay_as_they_were_while_their_issuer_fails(
    world: IssuerWorld, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = token()
    await world.verifier.verify(good)
    world.is_away(FAILURES[name])

    await world.verifier.flush_keys()

    assert world.verifier.remembered(good) is not None
    assert "stay as they were" in caplog.text
    assert world.ring.states[0].fault
    assert {one.target for one in world.server.received} == {"/keys"}


async def test_issuer_that_hangs_is_given_up(
    world: IssuerWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.egress.documents.WITHIN_S", 0.05)
    world.is_away(world.server.hang)

    assert await refuses(world.verifier, token())
    assert "did not answer: TimeoutError" in caplog.text


async def test_issuer_without_a_server_is_given_up(unused_tcp_port: int) -> None:
    documents = Documents(1000)

    with pytest.raises(DocumentError, match="did not answer"):
        await documents.fetch(f"http://127.0.0.1:{unused_tcp_port}/keys")
    await documents.close()


async def test_issuer_with_a_certificate_of_nobody_is_given_up(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path))
    server = ScriptedServer()
    listening = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=context)
    documents = Documents(1000)

    with pytest.raises(DocumentError, match="Certificate"):
        await documents.fetch(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/keys")
    await documents.close()
    listening.close()
    await server.stop()

    assert server.received == []


def own_certificate(folder: Path) -> Path:
    """Return a file with a certificate for this machine that only its own key vouches for."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2126, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return file


async def test_proxy_of_the_environment_is_not_used(world: IssuerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert not await refuses(world.verifier, token())


async def test_last_keys_are_used_for_a_bounded_time_then_refused_and_taken_up_again(
    world: IssuerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    day = {"exp": int(world.clock.now) + 86_400}
    good, later = token(**day), token(**day)
    await world.verifier.verify(good)
    world.is_away(*[DOWN] * 3)

    world.clock.now += 300 + 3600 - 1
    used = world.verifier.remembered(good) is not None
    world.clock.now += 1
    forgotten, refused = world.verifier.remembered(good) is None, await refuses(world.verifier, later)
    said = caplog.text
    world.clock.now += 30
    await refuses(world.verifier, later)
    world.clock.now += 30
    await refuses(world.verifier, later)
    world.clock.now += 30

    assert (used, forgotten, refused) == (True, True, True)
    assert said.count("are refused: its keys cannot be fetched") == 1
    assert not await refuses(world.verifier, later)
    assert not await refuses(world.verifier, good)


async def test_issuer_that_is_away_is_asked_less_and_less_often_and_as_before_when_it_is_back(
    world: IssuerWorld,
) -> None:
    world.is_away(*[DOWN] * 6)
    world.fraction = 1.0
    await world.verifier.start()

    pauses = [await world.slept()]
    for _ in range(6):
        pauses.append(await world.wake(pauses[-1]))

    assert pauses == pytest.approx([30, 60, 120, 240, 300, 300, 270])


async def test_issuer_that_is_away_keeps_no_other_from_work(world: IssuerWorld) -> None:
    verifier = Verifier(world.both, world.clock)
    world.server.otherwise = lambda writer: by_target(world, writer)
    await verifier.start()

    ours, theirs = await refuses(verifier, token()), await refuses(verifier, token(STRANGE_KEY, iss=OTHER))
    await verifier.close()

    assert (ours, theirs) == (False, True)


async def by_target(world: IssuerWorld, writer: asyncio.StreamWriter) -> None:
    """Serve our keys; the partner's server is down."""
    await (world.serve if world.server.received[-1].target == "/keys" else DOWN)(writer)


async def test_flush_fetches_at_once(world: IssuerWorld) -> None:
    good = token()
    await world.verifier.verify(good)
    world.publish(NEW)

    await world.verifier.flush_keys()

    assert world.verifier.remembered(good) is None
    assert not await refuses(world.verifier, unknown())


async def test_flush_forgets_which_keys_were_missing(world: IssuerWorld) -> None:
    await refuses(world.verifier, unknown())
    world.clock.now += 31
    await world.verifier.flush_keys()
    world.publish(*KEYS, NEW)

    assert not await refuses(world.verifier, unknown())


async def test_flush_is_not_answered_by_a_fetch_that_began_before(world: IssuerWorld) -> None:
    world.is_away(held := Held(world))
    good = token()
    early = asyncio.create_task(world.verifier.verify(good))
    await world.server.arrived(1)
    flushes = [asyncio.create_task(world.verifier.flush_keys()) for _ in range(10)]
    await asyncio.sleep(0)
    held.go.set()
    await early
    world.publish(NEW)
    await asyncio.gather(*flushes)

    assert world.verifier.remembered(good) is None
    assert world.fetches == 2


async def test_flush_that_failed_is_made_up_for_soon(world: IssuerWorld) -> None:
    await world.verifier.start()
    due_s = await world.slept()
    world.is_away(DOWN)
    world.publish(NEW)

    await world.verifier.flush_keys()
    soon_s = await world.slept()
    await world.wake(soon_s)

    assert (due_s, soon_s) == (pytest.approx(0.8 * 300), pytest.approx(15))
    assert world.ring.states[0].kids == ("new",)


async def test_keys_are_flushed_once_for_a_generation(world: IssuerWorld) -> None:
    assert world.verifier.keys_moved(1)

    await world.verifier.flush_keys(1)

    assert not world.verifier.keys_moved(1)
    assert world.verifier.keys_moved(2)


async def test_state_tells_what_is_known_of_the_keys(world: IssuerWorld) -> None:
    before = world.ring.states[0]
    await world.verifier.verify(token())
    world.clock.now += 7

    after = world.ring.states[0]

    assert (before.kids, before.age_s, before.fault) == ((), None, "They were never fetched.")
    assert (after.issuer, after.place) == (ISSUER, f"{world.server.url}/keys")
    assert (after.kids, after.age_s, after.fault) == (("r", "p", "e", "d", "n"), 7, None)


async def test_set_without_a_key_of_use_withdraws_all_and_says_so(
    world: IssuerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.verifier.verify(token())
    world.publish({"kty": "oct", "kid": "d", "k": "c2VjcmV0"})

    await world.verifier.flush_keys()

    assert await refuses(world.verifier, token())
    assert "publishes no key that can be used" in caplog.text


async def test_one_bad_key_costs_none_of_the_others(world: IssuerWorld) -> None:
    world.publish({"kty": "RSA", "kid": "broken", "n": "!", "e": 1}, *KEYS)

    assert not await refuses(world.verifier, token())


async def test_times_are_the_installations() -> None:
    async with issuer_world(KeyTimes(fresh_at_least_s=10, fresh_at_most_s=20, stale_s=0, refetch_s=1)) as world:
        world.headers = {"cache-control": "max-age=15"}
        good = token()
        await world.verifier.verify(good)
        world.clock.now += 14

        assert world.verifier.remembered(good) is not None
        world.clock.now += 1
        assert world.verifier.remembered(good) is None
