"""Which code a project gets: nobody else's, in neither system nor in our history; after a restore the one it had."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.errors import Refused, Unavailable
from gateway.store import sequences
from gateway.store.database import Store, create_engine, metadata
from openapi.common.types import Code
from openapi.system.psa.v1 import Project
from process_apis.ledger import codes
from process_apis.project_onboarding import documents, project_codes
from process_apis.project_onboarding.project_codes import CodeQuestion
from system_apis.ports import Found
from tests.fakes.coded import TABLES, asked, reserved
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import signed
from tests.servers_postgres import Postgres


class Psa(FakePsa):
    """Something may happen just when it has been asked who has a code."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def search_projects(self, *, code: str, after: str | None = None, limit: int = 20) -> Found[Project]:
        found = await super().search_projects(code=code, after=after, limit=limit)
        happening, self.meanwhile = self.meanwhile, None
        if happening:
            await happening()
        return found


@pytest.fixture(scope="module")
def database(database_server: Postgres) -> str:
    """Return the URL of a database of PostgreSQL that these tests have one after the other."""
    return database_server.database()


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Return a store with the tables of codes, empty."""
    lite = request.param == "sqlite"
    store = Store(create_engine(f"sqlite:///{tmp_path / 'codes'}" if lite else request.getfixturevalue("database")))
    async with store.begin() as connection:
        await connection.run_sync(partial(metadata.drop_all, tables=TABLES))
        await connection.run_sync(partial(metadata.create_all, tables=TABLES))
    yield store
    await store.close()


@pytest.fixture
async def question(store: Store) -> CodeQuestion:
    return await asked(store, "0065")


@pytest.fixture
async def other(store: Store) -> CodeQuestion:
    return await asked(store, "0066")


def wanting(question: CodeQuestion, code: str) -> CodeQuestion:
    return replace(question, wanted=code)


async def given(store: Store, psa: FakePsa, question: CodeQuestion) -> str:
    return await project_codes.reserve(store, psa, FakeErp(), question)


async def collision(store: Store, psa: FakePsa, question: CodeQuestion) -> str:
    with pytest.raises(Refused) as refused:
        await given(store, psa, question)
    assert refused.value.code is Code.project_code_collision
    return refused.value.detail


async def cut_short(store: Store, question: CodeQuestion) -> None:
    """Have the question asked where the ledger is away: its number waits for the next try."""
    erp = FakeErp()
    erp.away = True
    with pytest.raises(Unavailable):
        await project_codes.reserve(store, FakePsa(), erp, question)


async def have(psa: FakePsa, code: str, opportunity: str) -> None:
    await psa.create_project(documents.new_psa_project(signed(opportunity__id=opportunity), code, None))


async def test_next_number_is_given_and_stays_after_a_try_that_was_cut_short(
    store: Store, question: CodeQuestion
) -> None:
    await cut_short(store, question)
    first = await given(store, FakePsa(), question)
    again = await given(store, FakePsa(), question)

    assert (first, again) == ("P-0001", "P-0001")
    assert await sequences.peek(store, codes.SEQUENCE) == 2


async def test_numbers_that_others_have_or_look_at_are_passed_over_and_given_back(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = FakePsa()
    await have(psa, "P-0001", "another")
    await codes.reserve_code(store, "p-0002", other.project)

    assert await given(store, psa, question) == "P-0003"
    assert await reserved(store) == {"p-0002": other.project, "p-0003": question.project}


async def test_wanted_code_that_another_has_is_refused_with_a_free_one(store: Store, question: CodeQuestion) -> None:
    psa = FakePsa()
    await have(psa, "ALDER-1", "another")

    assert await collision(store, psa, wanting(question, "ALDER-1")) == "ALDER-1 is in use; P-0001 is free."


async def test_wanted_code_takes_the_place_of_one_that_nobody_has_seen(store: Store, question: CodeQuestion) -> None:
    await given(store, FakePsa(), question)

    assert await given(store, FakePsa(), wanting(question, "ALDER-1")) == "ALDER-1"
    assert await reserved(store) == {"alder-1": question.project}


async def test_code_that_the_psa_has_shown_is_kept_whatever_is_wanted(store: Store, question: CodeQuestion) -> None:
    psa = FakePsa()
    await have(psa, "P-0007", "0065")

    assert "as P-0007" in await collision(store, psa, wanting(question, "ALDER-1"))
    assert await given(store, psa, question) == "P-0007"
    assert "as P-0007" in await collision(store, psa, wanting(question, "ALDER-1"))


async def test_where_all_numbers_are_in_use_somebody_has_to_decide(
    store: Store, question: CodeQuestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_codes, "NUMBERS_TRIED", 2)
    psa = FakePsa()
    for number in range(1, 6):
        await have(psa, f"P-000{number}", str(number))

    assert "were in use" in await collision(store, psa, question)
    with pytest.raises(Refused, match="Propose a code"):
        await project_codes.propose(store, psa, FakeErp(), question)
    assert await reserved(store) == {}


async def test_code_that_two_want_at_once_is_the_firsts_and_the_other_is_told_of_a_free_one(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = Psa()
    psa.meanwhile = lambda: given(store, psa, wanting(other, "ALDER-1"))

    assert await collision(store, psa, wanting(question, "alder-1")) == "alder-1 is in use; P-0001 is free."
    assert await codes.owner_of(store, "ALDER-1") == other.project


async def test_wanted_code_at_which_another_only_looks_is_given_and_that_one_has_the_next(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = Psa()
    psa.meanwhile = lambda: given(store, psa, wanting(question, "P-0001"))

    assert await given(store, psa, other) == "P-0002"
    assert await reserved(store) == {"p-0001": question.project, "p-0002": other.project}


async def test_wanted_code_is_taken_before_it_is_asked_for_again_where_another_was_stopped_looking_at_it(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    await cut_short(store, other)
    await project_codes.check(store, FakePsa(), FakeErp(), question, "P-0001")

    assert await given(store, FakePsa(), wanting(question, "P-0001")) == "P-0001"
    assert await given(store, FakePsa(), other) == "P-0002"


# After a restore: the PSA has the project under its key, and our tables have lost its code, or have an older one.


async def test_lost_code_is_the_projects_again_though_another_was_stopped_looking_at_it(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    await cut_short(store, other)
    psa = FakePsa()
    await have(psa, "P-0001", "0065")

    assert await given(store, psa, question) == "P-0001"
    assert await given(store, psa, other) == "P-0002"
    assert await reserved(store) == {"p-0001": question.project, "p-0002": other.project}


async def test_lost_code_is_the_projects_again_while_another_looks_at_it(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = Psa()
    await have(psa, "P-0001", "0065")
    psa.meanwhile = lambda: given(store, psa, question)

    assert await given(store, psa, other) == "P-0002"
    assert await reserved(store) == {"p-0001": question.project, "p-0002": other.project}


async def test_two_that_look_at_each_others_lost_code_have_their_own(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    await codes.reserve_code(store, "P-0002", question.project)
    await codes.reserve_code(store, "P-0001", other.project)
    psa = FakePsa()
    await have(psa, "P-0001", "0065")
    await have(psa, "P-0002", "0066")

    assert [await given(store, psa, one) for one in (question, other)] == ["P-0001", "P-0002"]
    assert await reserved(store) == {"p-0001": question.project, "p-0002": other.project}


async def test_two_that_had_each_others_code_at_the_backup_have_what_the_psa_shows(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = Psa()
    await given(store, psa, wanting(question, "P-0002"))
    await given(store, psa, wanting(other, "P-0001"))
    await have(psa, "P-0001", "0065")
    await have(psa, "P-0002", "0066")
    psa.meanwhile = lambda: given(store, psa, other)

    assert await given(store, psa, question) == "P-0001"
    assert await reserved(store) == {"p-0001": question.project, "p-0002": other.project}


async def test_code_that_the_psa_shows_is_taken_from_the_one_that_had_it_at_the_backup(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = FakePsa()
    late = await given(store, psa, other)
    await have(psa, late, "0065")

    assert await given(store, psa, question) == late
    with pytest.raises(Refused, match="Resume to be given the next one") as refused:
        await project_codes.require_own(store, other.project, late)
    assert refused.value.code is Code.project_code_collision
    assert await given(store, psa, other) == "P-0002"
    await project_codes.require_own(store, other.project, "P-0002")


async def test_code_that_differs_from_anothers_in_its_case_only_is_left_to_a_person(
    store: Store, question: CodeQuestion, other: CodeQuestion
) -> None:
    psa = FakePsa()
    await have(psa, await given(store, psa, other), "0066")
    await have(psa, "p-0001", "0065")

    assert "as p-0001, and another one has that code" in await collision(store, psa, question)
    assert await reserved(store) == {"p-0001": other.project}


async def test_code_of_another_entitys_project_is_left_to_a_person(store: Store, question: CodeQuestion) -> None:
    elsewhere, here = FakePsa(), FakePsa()
    german = await asked(store, "0067", legal_entity="DE01")
    await have(elsewhere, await given(store, elsewhere, german), "0067")
    await have(here, "P-0001", "0065")

    assert "another one has that code" in await collision(store, here, question)
    assert await codes.owner_of(store, "P-0001") == german.project


async def test_code_of_which_the_psa_changed_the_case_stays_as_we_gave_it(store: Store, question: CodeQuestion) -> None:
    psa = FakePsa()
    await given(store, psa, wanting(question, "Alder-1"))
    await have(psa, "alder-1", "0065")

    assert await given(store, psa, question) == "Alder-1"
    assert await given(store, psa, wanting(question, "ALDER-1")) == "Alder-1"


async def test_project_of_which_somebody_took_the_code_away_keeps_the_one_that_we_gave(
    store: Store, question: CodeQuestion
) -> None:
    psa = FakePsa()
    await given(store, psa, question)
    await have(psa, "", "0065")

    assert await given(store, psa, question) == "P-0001"
    assert "as P-0001" in await collision(store, psa, wanting(question, "ALDER-1"))


async def test_project_without_a_code_of_which_we_know_none_is_given_the_next(
    store: Store, question: CodeQuestion
) -> None:
    await cut_short(store, question)
    psa = FakePsa()
    await have(psa, "", "0065")
    await have(psa, "P-0001", "another")

    assert await given(store, psa, question) == "P-0002"


async def test_psa_is_asked_once_for_the_project_and_once_for_each_code(store: Store, question: CodeQuestion) -> None:
    psa = FakePsa()
    await have(psa, "P-0001", "another")
    psa.calls.clear()

    await given(store, psa, question)

    assert psa.calls == {"find_project": 1, "search_projects": 2}


async def test_preview_shows_the_code_that_the_psa_has_for_the_project(store: Store, question: CodeQuestion) -> None:
    psa, unknown = FakePsa(), replace(question, project="")
    await have(psa, "P-0007", "0065")

    assert await project_codes.foresee(store, psa, FakeErp(), unknown) == "P-0007"
    assert await project_codes.foresee(store, FakePsa(), FakeErp(), unknown) == "P-0001"
    assert await reserved(store) == {}
