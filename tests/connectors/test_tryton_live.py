"""What only a running Tryton and the real egress show together: counted log-ins, missing databases, two companies."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.egress.upstreams import Upstreams
from gateway.errors import Unavailable
from gateway.secret import Secret
from openapi.common.types import Code
from openapi.system.psa.v1 import NewProject, ProjectCustomer
from system_apis.conformance.keys import fresh, fresh_code
from system_apis.connector import Connection
from system_apis.connectors import tryton
from system_apis.connectors.tryton import Settings
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.ports import Psa
from tests.servers_tryton import Desk, settings_of, tryton_server

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


async def test_one_delivery_database_serves_two_companies(
    impatient_tryton: dict[str, Any], upstreams: Upstreams
) -> None:
    admin = Desk(impatient_tryton, "psa", impatient_tryton["admin_user"])
    (party,) = await made(admin, "party.party", {"name": "Meridian France"})
    (company,) = await made(admin, "company.company", {"party": party, "currency": 1, "timezone": "UTC"})
    settings = settings_of(impatient_tryton, "psa", companies={"ES01": 1, "FR01": company}, user="polyglot")
    where = Connection(name="delivery", environment="sandbox", legal_entities=("ES01", "FR01"))
    (ours,) = await admin.find("res.user", [["login", "=", "gateway"]], "groups")
    access = {"companies": [["add", [1, company]]], "groups": [["add", ours["groups"]]], "company": 1}
    (user,) = await made(admin, "res.user", {"login": "polyglot", "password": impatient_tryton["password"], **access})

    lacking = await companies_lacking(tryton.psa(where, settings, upstreams.http("delivery")))
    await admin.do("res.user", "write", [user], {"company_filter": "all"})
    port = tryton.psa(where, settings, upstreams.http("delivery"))
    projects = [await port.create_project(project_of(entity)) for entity in ("ES01", "FR01")]
    admin.leave()

    assert "FR01" in lacking
    assert await companies_lacking(port) == ""
    assert [project.legal_entity for project in projects] == ["ES01", "FR01"]
    assert [(await port.open_project(project.id)).state.value for project in projects] == ["open", "open"]


async def made(desk: Desk, model: str, values: dict[str, Any]) -> list[int]:
    """Return the ids of what somebody at a desk made."""
    found: Any = await desk.do(model, "create", [values])
    return list(found)


async def companies_lacking(port: Psa) -> str:
    """Return what the examination says of companies that the user does not work for."""
    (finding,) = [each for each in await port.examine() if each.subject == "companies"]
    return "" if finding.holds else finding.detail


def project_of(entity: str) -> NewProject:
    """Return a project of an entity."""
    return NewProject(
        business_key=fresh("prj"),
        legal_entity=entity,
        code=fresh_code(),
        name="Data platform",
        customer=ProjectCustomer(business_key=fresh("cus"), name="Alpha"),
        start=date(2026, 12, 1),
    )
