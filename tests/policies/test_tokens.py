"""Tokens that are accepted, and the many that are not, one row each in `token_table`."""

from typing import Any

import pytest

from gateway.errors import Refused
from gateway.identity import Verifier
from gateway.identity.rules import NotTaken
from gateway.policy.document import PolicyError, policies_of
from openapi.common.types import Code
from tests.policies.token_table import BAD, GOOD, GROUPS, RULES
from tests.tokens import ISSUER, OTHER, open_desk


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return open_desk(tmp_path_factory.mktemp("desk")).verifier


def test_there_are_many() -> None:
    assert len(BAD) == sum(len(rows) for rows, _ in GROUPS) >= 400  # No two have the same name.
    assert all(row.source for row in (BAD | GOOD).values())


@pytest.mark.parametrize("name", BAD)
async def test_token_is_refused(verifier: Verifier, name: str) -> None:
    bad = BAD[name].make()

    with pytest.raises(Refused) as refused:
        await verifier.verify(bad)

    assert refused.value.code is Code.auth_invalid_token
    assert refused.value.detail == "Fetch a fresh token for this audience; this one is not accepted."
    assert isinstance(refused.value.__cause__, NotTaken)
    assert refused.value.__cause__.rule in RULES[name]
    assert verifier.remembered(bad) is None


@pytest.mark.parametrize("audience", [{}, {"audience": ""}, {"audience": None}, {"audience": ["tiebeam"]}])
def test_row_that_takes_tokens_for_no_audience_does_not_load(audience: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="audience"):
        policies_of("wrong.yaml", [{"kind": "authenticate", "issuers": ["*"]} | audience])


@pytest.mark.parametrize("name", GOOD)
async def test_token_is_accepted(verifier: Verifier, name: str) -> None:
    good = GOOD[name].make()

    identity = await verifier.verify(good)

    assert identity.issuer in {ISSUER, OTHER}
    assert verifier.remembered(good) is identity
