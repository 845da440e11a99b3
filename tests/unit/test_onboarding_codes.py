"""Which code a project gets: nobody else's, in neither system nor in our history."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from gateway.store import sequences
from gateway.store.database import Store, create_engine, metadata
from openapi.common.types import Code
from process_apis.ledger import codes
from process_apis.project_onboarding import documents, project_codes
from process_apis.project_onboarding.project_codes import CodeQuestion
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import signed

QUESTION = CodeQuestion(body=signed(), pattern="P-{number:04}", project="prj_1", wanted=None)
WANTED = replace(QUESTION, wanted="ALDER-1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(create_engine(f"sqlite:///{tmp_path / 'codes.sqlite'}"))
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store
    await store.close()


async def collision(store: Store, psa: FakePsa, erp: FakeErp, question: CodeQuestion) -> str:
    with pytest.raises(Refused) as refused:
        await project_codes.reserve(store, psa, erp, question)
    assert refused.value.code is Code.project_code_collision
    return refused.value.detail


async def have(psa: FakePsa, code: str, opportunity: str) -> None:
    await psa.create_project(documents.new_psa_project(signed(opportunity__id=opportunity), code, None))


async def test_next_number_is_reserved_and_stays_after_a_try_that_was_cut_short(store: Store) -> None:
    first = await project_codes.reserve(store, FakePsa(), FakeErp(), QUESTION)
    again = await project_codes.reserve(store, FakePsa(), FakeErp(), QUESTION)

    assert (first, again) == ("P-0001", "P-0001")
    assert await sequences.peek(store, codes.SEQUENCE) == 2


async def test_numbers_that_others_have_are_passed_over_and_given_back(store: Store) -> None:
    psa = FakePsa()
    await have(psa, "P-0001", "another")
    await codes.reserve_code(store, "p-0002", "prj_2")

    assert await project_codes.reserve(store, psa, FakeErp(), QUESTION) == "P-0003"
    assert await codes.owner_of(store, "P-0001") is None


async def test_wanted_code_that_another_has_is_refused_with_a_free_one(store: Store) -> None:
    psa = FakePsa()
    await have(psa, "ALDER-1", "another")

    assert await collision(store, psa, FakeErp(), WANTED) == "ALDER-1 is in use; P-0001 is free."


async def test_wanted_code_takes_the_place_of_one_that_nobody_has_seen(store: Store) -> None:
    await codes.reserve_code(store, "P-0007", "prj_1")

    assert await project_codes.reserve(store, FakePsa(), FakeErp(), WANTED) == "ALDER-1"
    assert await codes.owner_of(store, "P-0007") is None


async def test_code_that_the_psa_has_shown_is_kept_whatever_is_wanted(store: Store) -> None:
    psa = FakePsa()
    await codes.reserve_code(store, "P-0007", "prj_1")
    await have(psa, "P-0007", "0065")

    assert "as P-0007" in await collision(store, psa, FakeErp(), WANTED)
    assert await project_codes.reserve(store, psa, FakeErp(), QUESTION) == "P-0007"


async def test_where_all_numbers_are_in_use_somebody_has_to_decide(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_codes, "NUMBERS_TRIED", 2)
    psa = FakePsa()
    for number in range(1, 6):
        await have(psa, f"P-000{number}", str(number))

    assert "were in use" in await collision(store, psa, FakeErp(), QUESTION)
    with pytest.raises(Refused, match="Propose a code"):
        await project_codes.propose(store, psa, FakeErp(), QUESTION)


async def test_code_that_is_taken_between_look_and_reservation_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def taken(*_: object) -> bool:
        return False

    monkeypatch.setattr(codes, "reserve_code", taken)

    assert "just now" in await collision(store, FakePsa(), FakeErp(), WANTED)
