"""Serves a contract in this process, where calls are cheap, and the tests that every contract has."""

from collections.abc import Callable
from types import ModuleType

from schemathesis import Case
from schemathesis.schemas import BaseSchema

from gateway.contract import Mount, bind
from gateway.cursors import Cursors
from gateway.secret import Secret
from tests.contracts.harness import THOROUGHLY, Harness, Prepare
from tests.sample_api import client


def serve(
    it: Harness,
    contract: str,
    module: ModuleType,
    *,
    pool: dict[str, Prepare],
    connection: str | None = None,
    **provided: object,
) -> Harness:
    """Return the harness, which calls the contract as the module serves it, with what its handlers name."""
    named = {"cursors": Cursors(Secret("key")), **provided}
    mount = Mount(contract=contract, module=module, connection=connection, provided=named)
    it.pool = pool
    it.call_as(client(bind([mount])[0]), mount.base)
    return it


def trials_of(schema: BaseSchema) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the two tests of a contract, which a file calls by their names in this order: the second counts.

    Both ask for the fixture `harness`.
    """

    @schema.parametrize()
    @THOROUGHLY
    def test_every_answer_follows_the_contract(case: Case, harness: Harness) -> None:
        harness.try_out(case)

    def test_every_operation_had_valid_answers(harness: Harness) -> None:
        lacking = harness.lacking(schema)
        assert lacking == {}, lacking

    return test_every_answer_follows_the_contract, test_every_operation_had_valid_answers
