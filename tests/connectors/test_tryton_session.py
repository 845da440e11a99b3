"""The log-in: once for everybody, and in silence where Tryton counts attempts."""

import asyncio
import base64

import pytest

from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from openapi.common.types import Code
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.session import SILENCE_S
from tests.connectors.scripted import ScriptedTryton, client

LOGIN = "common.db.login"
WRITE = "party.party.write"


class Clock:
    """Seconds, moved by the test."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def write(via: TrytonClient) -> None:
    await via.write("party.party", [1], {"name": "x"})


def ready_tryton() -> ScriptedTryton:
    http = ScriptedTryton()
    http.always(WRITE, None)
    return http


async def test_many_first_calls_at_once_log_in_once() -> None:
    http = ready_tryton()
    http.always("party.party.search", [])
    via = client(http)

    await asyncio.gather(*(via.ids("party.party", []) for _ in range(20)))

    assert (http.calls[LOGIN], http.calls["party.party.search"]) == (1, 20)


async def test_call_carries_session_and_context_with_groups() -> None:
    http = ready_tryton()

    await client(http).write("party.party", [1], {"name": "x"}, stamps={"party.party,1": "7.5"})

    operation, params, authorization = http.sent[-1]
    assert operation == WRITE
    assert authorization == f"Session {base64.b64encode(b'gateway:2:key').decode()}"
    assert params[-1] == {
        "company": 1,
        "companies": [1],
        "employee": None,
        "groups": [4],
        "language": "en",
        "_timestamp": {"party.party,1": "7.5"},
    }


async def test_session_that_ended_is_renewed_once_and_the_call_repeated_once() -> None:
    http = ready_tryton()
    via = client(http)
    await write(via)
    http.plan(WRITE, 401)

    await write(via)

    assert (http.calls[LOGIN], http.calls[WRITE]) == (2, 3)


async def test_calls_whose_session_ended_together_log_in_once() -> None:
    http = ready_tryton()
    http.plan(LOGIN, [2, "old", None], [2, "new", None])
    via = client(http)
    await write(via)
    ended = http.sent[-1][2]
    http.always(WRITE, lambda authorization: 401 if authorization == ended else None)

    await asyncio.gather(*(write(via) for _ in range(8)))

    assert http.calls[LOGIN] == 2


async def test_second_401_in_a_row_is_not_repeated_again() -> None:
    http = ready_tryton()
    http.always(WRITE, 401)

    with pytest.raises(Unavailable) as unavailable:
        await write(client(http))

    assert unavailable.value.code is Code.upstream_auth_expired
    assert http.calls[WRITE] == 2


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Unavailable(Code.upstream_rate_limited, "429 without Retry-After"), Code.upstream_rate_limited),
        (401, Code.upstream_auth_expired),
    ],
)
async def test_log_in_that_was_turned_away_is_not_tried_before_the_count_has_run_out(reply: object, code: Code) -> None:
    http, clock = ready_tryton(), Clock()
    http.plan(LOGIN, reply)
    via = client(http, clock)
    tried, raised = [], []

    for pause_s in (0.0, 0.0, SILENCE_S - 1.0, 1.5):
        clock.now_s += pause_s
        try:
            await write(via)
        except Unavailable as error:
            raised.append(error)
        tried.append(http.calls[LOGIN])

    assert tried == [1, 1, 1, 2]
    assert [error.retry_after_s for error in raised] == [300, 300, 1]
    assert raised[0].code is code


async def test_quota_of_our_own_does_not_silence_the_log_in() -> None:
    http = ready_tryton()
    http.plan(LOGIN, Unavailable(Code.upstream_rate_limited, "Its quota is used up.", retry_after_s=2))
    via = client(http)
    with pytest.raises(Unavailable) as unavailable:
        await write(via)

    await write(via)

    assert unavailable.value.retry_after_s == 2
    assert http.calls[LOGIN] == 2


@pytest.mark.parametrize(
    "lost",
    [Unavailable(Code.upstream_unavailable, "did not answer"), 404],
)
async def test_log_in_that_nobody_answered_leaves_the_write_without_effect(lost: object) -> None:
    http = ready_tryton()
    http.plan(LOGIN, lost)

    with pytest.raises(Unavailable) as unavailable:
        await write(client(http))

    assert unavailable.value.code is Code.upstream_unavailable
    assert http.calls[WRITE] == 0


async def test_log_in_may_try_a_circuit_that_a_write_may_not() -> None:
    http = ready_tryton()

    await write(client(http))

    assert http.writes == {WRITE}


async def test_uncertain_write_is_not_repeated() -> None:
    http = ready_tryton()
    http.plan(WRITE, Uncertain(Code.upstream_timeout_uncertain, "lost"))

    with pytest.raises(Uncertain):
        await write(client(http))

    assert http.calls[WRITE] == 1


async def test_password_and_session_are_in_no_error() -> None:
    http = ready_tryton()
    http.plan(LOGIN, 401)

    with pytest.raises(ApiError) as raised:
        await write(client(http))

    assert not isinstance(raised.value, Refused)
    assert "right" not in f"{raised.value!r} {raised.value.__cause__!r}"
