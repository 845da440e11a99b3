"""Any order of onboardings, failures, deaths, cancellations and restores: a code is one project's, and nobody waits.

Hypothesis makes up the order. An onboarding stands still at each call of a system until it is let go; others run
meanwhile. What the PSA has is never restored.
"""

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from sqlalchemy import Row, delete, insert, select

from gateway.errors import Refused, Unavailable
from gateway.store.database import Store, create_engine, metadata
from openapi.common.types import Code
from process_apis.project_onboarding import documents, project_codes, steps
from process_apis.project_onboarding.order import OnboardingOrder
from process_apis.project_onboarding.project_codes import CodeQuestion
from tests.fakes.coded import TABLES, asked, ordered, reserved
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

T = TypeVar("T")
FULL = os.environ.get("TIEBEAM_CAMPAIGN") == "full"
MANY: Final = 3
WANTED: Final = st.none() | st.sampled_from([f"P-000{number}" for number in range(1, MANY + 2)])
PLACES: Final = st.integers(0, MANY - 1)


class Under:
    """An onboarding under way: a task that stands still at each call."""

    def __init__(self, life: Coroutine[Any, Any, None]) -> None:
        self.task = asyncio.create_task(life)
        self._stands, self._go, self._away = asyncio.Event(), asyncio.Event(), False

    async def stand(self) -> None:
        """Stand still; raises Unavailable where the call comes to nothing."""
        self._stands.set()
        await self._go.wait()
        self._go.clear()
        if self._away:
            self._away = False
            raise Unavailable(Code.upstream_unavailable, "Nobody answers.")

    async def go(self, *, away: bool = False) -> None:
        """Return once it stands at its next call, or has ended."""
        self._away = away
        self._stands.clear()
        self._go.set()
        await self.stood()

    async def stood(self) -> None:
        """Return once it stands, or has ended."""
        standing = asyncio.create_task(self._stands.wait())
        await asyncio.wait([self.task, standing], return_when=asyncio.FIRST_COMPLETED)
        standing.cancel()

    async def die(self) -> None:
        """Let nothing more of it happen."""
        self.task.cancel()
        await asyncio.wait([self.task])


class Interleaved(RuleBasedStateMachine):
    """A database, a PSA and an ERP, and a few projects that want codes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory(prefix="tiebeam-codes-")
        self.store = Store(create_engine(f"sqlite:///{Path(self.directory.name) / 'codes.sqlite'}"))
        self.psa, self.erp, house = FakePsa(), FakeErp(), self

        async def arrive(_operation: str) -> None:
            me = asyncio.current_task()
            for under in [one for one in house.under.values() if one.task is me]:
                await under.stand()

        for system in (self.psa, self.erp):
            system._arrive = arrive  # type: ignore[assignment,method-assign]  # noqa: SLF001 - each call begins there
        self.under: dict[int, Under] = {}
        self.cancelled: set[int] = set()
        self.questions: list[CodeQuestion] = []
        self.made: dict[str | None, str] = {}
        """The code with which the PSA made each project."""
        self.backup: tuple[Sequence[Sequence[Row[Any]]], set[int]] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns."""
        return self.loop.run_until_complete(work)

    @initialize(wanted=st.lists(WANTED, min_size=MANY, max_size=MANY))
    def sign(self, wanted: list[str | None]) -> None:
        """Let there be statements of work; some say which code they want."""

        async def signing() -> None:
            async with self.store.begin() as connection:
                await connection.run_sync(partial(metadata.create_all, tables=TABLES))
            for number, code in enumerate(wanted):
                self.questions.append(replace(await asked(self.store, f"{number}"), wanted=code))

        self.run(signing())
        self.back_up()

    @rule(place=PLACES, calls=st.integers(1, 6))
    def go_on(self, place: int, calls: int) -> None:
        """Let an onboarding begin, or go on for some calls."""

        async def going() -> None:
            if place not in self.under:
                self.under[place] = Under(self.onboard(self.questions[place]))
                await self.under[place].stood()
            for _ in range(calls):
                await self.under[place].go()

        if place not in self.cancelled:
            self.run(going())
            self.forget_ended()

    @rule(place=PLACES, cancelled=st.booleans())
    def fail(self, place: int, *, cancelled: bool) -> None:
        """Let the call come to nothing at which an onboarding stands: it parks, and may be cancelled."""
        if place in self.under:
            self.run(self.under[place].go(away=True))
            self.forget_ended()
            if cancelled:
                self.cancel(place)

    @rule(place=PLACES)
    def die(self, place: int) -> None:
        """Let an onboarding's worker die; another one begins anew."""
        if place in self.under:
            self.run(self.under.pop(place).die())

    @rule(place=PLACES)
    def cancel(self, place: int) -> None:
        """Cancel an onboarding that is parked, or has not begun."""
        if place not in self.under:
            self.run(self.undo(self.questions[place]))
            self.cancelled.add(place)

    @rule(place=PLACES)
    def ask_again(self, place: int) -> None:
        """Ask for an onboarding once more that was cancelled."""
        self.cancelled.discard(place)

    @rule(place=PLACES, code=WANTED)
    def decide(self, place: int, code: str | None) -> None:
        """Decide on another code; the next try reads it."""
        self.questions[place] = replace(self.questions[place], wanted=code)

    @rule()
    def back_up(self) -> None:
        """Keep what our tables say."""
        self.backup = self.run(self.rows()), set(self.cancelled)

    @rule()
    def restore(self) -> None:
        """Stop everything, and put back what was kept."""
        for place in list(self.under):
            self.die(place)
        assert self.backup
        kept, self.cancelled = self.backup[0], set(self.backup[1])

        async def putting() -> None:
            async with self.store.begin() as connection:
                for table in reversed(TABLES):
                    await connection.execute(delete(table))
                for table, rows in zip(TABLES, kept, strict=True):
                    if rows:
                        await connection.execute(insert(table), [dict(row._mapping) for row in rows])  # noqa: SLF001 - public

        self.run(putting())

    @invariant()
    def each_project_has_a_code_of_its_own_for_ever(self) -> None:
        """Look into the PSA's own books."""
        has = {project.business_key: project.code for project in self.psa.projects}
        assert has == self.made
        assert len(set(has.values())) == len(has)

    def teardown(self) -> None:
        """Let everything end: nobody waits for ever, and no code is kept for nothing."""
        try:
            if self.questions:
                self.end_well()
        finally:
            for place in list(self.under):
                self.die(place)
            self.run(self.store.close())
            self.loop.close()
            self.directory.cleanup()

    def end_well(self) -> None:
        """Resume what is parked, as a person does who reads the refusal, until nothing is."""
        for place in list(self.under):
            self.finish(place)
        for place in set(range(MANY)) - self.cancelled:
            self.finish(place)
            self.questions[place] = replace(self.questions[place], wanted=None)  # What is in use is wanted no more.
            self.finish(place)
        self.each_project_has_a_code_of_its_own_for_ever()
        for place in self.cancelled:
            self.run(self.undo(self.questions[place]))
        left = self.run(reserved(self.store))
        for place, question in enumerate(self.questions):
            made = self.made.get(key_of(question))
            whose = [code for code, project in left.items() if project == question.project]
            assert place in self.cancelled or made, "It waits for ever."
            assert whose == [made.casefold()] if place not in self.cancelled and made else set(whose) <= {folded(made)}

    def finish(self, place: int) -> None:
        """Let an onboarding go on to its end, or until it is refused."""
        self.go_on(place, 1)
        while place in self.under:
            self.go_on(place, 1)

    def forget_ended(self) -> None:
        """Forget what has ended, one way or the other."""
        for place, under in list(self.under.items()):
            if under.task.done():
                under.task.result()
                del self.under[place]

    async def onboard(self, question: CodeQuestion) -> None:
        """Do what an onboarding does about its code; it parks where it is refused, or nobody answers."""
        try:
            code = await project_codes.reserve(self.store, self.psa, self.erp, question)
            if await self.psa.find_project(key_of(question)) is None:
                await project_codes.require_own(self.store, question.project, code)
                made = await self.psa.create_project(documents.new_psa_project(question.body, code, None))
                self.made[made.business_key] = made.code
            assert code == self.made[key_of(question)]
        except Unavailable:
            return
        except Refused as refused:
            if refused.code is not Code.project_code_collision:
                raise

    async def undo(self, question: CodeQuestion) -> None:
        """Do what an onboarding that is cancelled does about its code."""
        order: OnboardingOrder = await ordered(self.store, question)
        project = await self.psa.find_project(key_of(question))
        if project:
            await self.psa.cancel_project(project.id)
        await steps.withdraw(self.store, self.psa, order)

    async def rows(self) -> list[Sequence[Row[Any]]]:
        """Return what is in each table."""
        async with self.store.begin() as connection:
            return [(await connection.execute(select(table))).all() for table in TABLES]


def key_of(question: CodeQuestion) -> str:
    """Return the key that the project has in the PSA."""
    return documents.new_psa_project(question.body, "", None).business_key


def folded(code: str | None) -> str | None:
    """Return the code as our tables are asked for it."""
    return code.casefold() if code else None


@pytest.mark.campaign
class TestInterleaved(Interleaved.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """Runs the machine."""

    settings = settings(
        max_examples=300 if FULL else 15,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
