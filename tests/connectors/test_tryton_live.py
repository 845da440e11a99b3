"""What only a running Tryton and the real egress show together: counted log-ins, a database that is not there."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.egress.upstreams import Upstreams
from gateway.errors import Unavailable
from gateway.secret import Secret
from openapi.common.types import Code
from system_apis.connectors.tryton import Settings
from system_apis.connectors.tryton.client import TrytonClient
from tests.servers_tryton import settings_of, tryton_server

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def impatient_tryton() -> Iterator[dict[str, Any]]:
    """A server that locks a user out after the first wrong password."""
    with tryton_server("sqlite", "--max-attempt", "1") as ready:
        yield ready


async def refusal_of(settings: Settings, upstreams: Upstreams) -> Unavailable:
    """Return why a new client cannot log in."""
    client = TrytonClient(settings, upstreams.http("delivery"))
    with pytest.raises(Unavailable) as unavailable:
        await client.ids("party.party", [])
    return unavailable.value


async def test_lock_after_wrong_passwords_is_told_with_the_time_that_it_lasts(
    impatient_tryton: dict[str, Any], upstreams: Upstreams
) -> None:
    right = settings_of(impatient_tryton, "psa")
    wrong = replace(right, password=Secret("wrong"))

    refusals = [await refusal_of(settings, upstreams) for settings in (wrong, wrong, wrong, right)]

    assert refusals[0].code is Code.upstream_auth_expired
    assert refusals[-1].code is Code.upstream_rate_limited
    assert {refusal.retry_after_s for refusal in refusals} == {300}


async def test_database_that_is_not_there_is_unavailable(
    impatient_tryton: dict[str, Any], upstreams: Upstreams
) -> None:
    refusal = await refusal_of(settings_of(impatient_tryton, "nosuch"), upstreams)

    assert refusal.code is Code.upstream_unavailable
