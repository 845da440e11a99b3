"""An installation whose worker dies when it is told to, and comes back: its web half is in this process.

Workers are forked, one after another, from a server that has read the product's modules once: each is a process of its
own, and up within half a second.
"""

import asyncio
import multiprocessing
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import httpx
from sqlalchemy import func, select

from gateway import commands, commands_tokens, main
from gateway.caller import INSTALLATION
from gateway.durable import Process, Window, get_process, list_processes, list_steps
from gateway.durable.engine import Status
from gateway.egress.limits import Part
from gateway.settings import load
from gateway.store import business_events, cross_references, work_items
from gateway.store.locks import tb_lock
from gateway.store.processes import tb_process_instance
from process_apis.ledger import codes, projects
from process_apis.ledger.contracts import tb_contract
from process_apis.ledger.schedules import tb_schedule_line
from process_apis.project_onboarding.steps import ACTIVATED
from tests.faults import killing_worker
from tests.faults.killing_worker import Cell

ONBOARDINGS = "/process/project-onboarding/v1/onboardings"
ENDS_WITHIN_S = 180.0
"""Dozens are onboarded at once, and the machine may be busy with more."""
LOOK_EVERY_S = 0.05
NEWEST: Final = 5
"""So many processes may have ended at the same time."""

T = TypeVar("T")
Document = dict[str, Any]


class Mortal:
    """The product on real systems, as a caller and a murderer meet it."""

    def __init__(self, config: Path, folder: Path, *, schedules: bool = True) -> None:
        self._config, self._folder, self._schedules = config, folder, schedules
        settings = load(str(config))
        commands.prepare(settings)
        self._parts = main.parts(main.read(settings), Part.web)
        self.store = self._parts.store
        token = commands_tokens.development_token(settings, commands_tokens.Claims(client="crm"), 86_400)
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(main.web(self._parts)),
            base_url="http://gateway",
            headers={"Authorization": f"Bearer {token}"},
        )
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.faults.killing_worker"])
        self._worker: ForkServerProcess | None = None
        self._given_up: set[str] = set()
        self.deaths = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.terminate()
            await asyncio.to_thread(self._worker.join, ENDS_WITHIN_S)
        await self._http.aclose()
        await self._parts.aclose()

    async def start_worker(self) -> None:
        """Let a worker work, whether or not anybody waits for what it does."""
        self._revive()

    async def kill_worker(self) -> None:
        """Kill the worker wherever it is; another one comes when somebody waits."""
        if self._worker is not None:
            self._worker.kill()
            await asyncio.to_thread(self._worker.join, ENDS_WITHIN_S)
            self._worker = None

    async def ask(self, body: Document, key: str) -> str:
        """Return the id of the onboarding that was accepted."""
        answer = await self._http.post(ONBOARDINGS, json=body, headers={"Idempotency-Key": f'"{key}"'})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["id"])

    async def call(self, method: str, path: str, body: Document | None = None) -> Document:
        """Return what is answered; each call is an intent of its own."""
        headers = {"Idempotency-Key": f'"{uuid4()}"'} if method == "POST" else {}
        answer = await self._http.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        document: Document = answer.json()
        return document

    async def cancel(self, onboarding: str) -> None:
        """Have what it made undone."""
        answer = await self._http.post(f"{ONBOARDINGS}/{onboarding}/cancel")
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    def condemn(self, cell: Cell | None) -> None:
        """Let the worker die there, once."""
        for name in ("seen", "kill", "lose"):
            (self._folder / name).unlink(missing_ok=True)
        if cell is not None:
            (self._folder / "kill").write_text(cell.write())

    def lose(self, answer: Cell) -> None:
        """Let the answer of a system be lost, once."""
        (self._folder / "lose").write_text(answer.write())

    def seen(self) -> list[Cell]:
        """Return each moment that workers came through since somebody was condemned last, the first time of each."""
        return [cell for cell in self.seen_each_time() if cell.time == 1]

    def seen_each_time(self) -> list[Cell]:
        """Return the moments with each time at which one came."""
        return killing_worker.counted((self._folder / "seen").read_text().splitlines())

    async def until(self, onboarding: str, fits: Callable[[Process], bool]) -> Process:
        """Return the onboarding once it fits; a worker that died is followed by another."""

        async def fitting() -> Process | None:
            process = await get_process(self.store, INSTALLATION, onboarding)
            return process if fits(process) else None

        return await self._once(fitting)

    async def ended(self, onboarding: str) -> Process:
        """Return the onboarding once it has ended, and the engine has nothing left to do for it."""

        async def at_rest() -> Process | None:
            process = await get_process(self.store, INSTALLATION, onboarding)
            moving = await self._parts.engine.status_of(process.workflow_id) is Status.moving
            return None if process.ended_at is None or moving or self._is_dead() else process

        return await self._once(at_rest)

    async def everything_ended(self) -> None:
        """Return once every process has ended, and the engine has nothing left to do for the newest of them.

        What has not come to an end once is not waited for again: it disturbs no other cell.
        """

        async def at_rest() -> bool | None:
            if await self._open():
                return None
            newest = await list_processes(self.store, INSTALLATION, Window(limit=NEWEST))
            moving = [await self._parts.engine.status_of(one.workflow_id) is Status.moving for one in newest.items]
            return None if any(moving) or self._is_dead() else True

        try:
            await self._once(at_rest)
        except AssertionError:
            self._given_up |= set(await self._open())
            raise

    async def _once(self, found: Callable[[], Awaitable[T | None]]) -> T:
        loop = asyncio.get_running_loop()
        until = loop.time() + ENDS_WITHIN_S
        while (done := await found()) is None:
            assert loop.time() < until, f"It does not come to an end: {[*(await self._open())]}. {self._said()}"
            self._revive()
            await asyncio.sleep(LOOK_EVERY_S)
        return done

    async def _open(self) -> set[str]:
        columns = tb_process_instance.c
        asked = select(columns.business_key, columns.state, columns.current_step, columns.parked_code)
        async with self.store.begin() as connection:
            rows = await connection.execute(asked.where(columns.ended_at.is_(None)))
            return {" ".join(map(str, row)) for row in rows} - self._given_up

    def _said(self) -> str:
        return f"The workers said:\n{(self._folder / 'log').read_text()[-4000:]}"

    def _is_dead(self) -> bool:
        return self._worker is not None and not self._worker.is_alive()

    def _revive(self) -> None:
        if self._worker is not None and not self._worker.is_alive():
            assert self._worker.exitcode == -signal.SIGKILL, self._said()
            self.deaths += 1
            self._worker = None
        if self._worker is None:
            self._worker = self._processes.Process(
                target=killing_worker.run, args=(self._config, self._folder, self._schedules), daemon=True
            )
            self._worker.start()

    async def kept(self, process: Process) -> Document:
        """Return what our own tables say of an onboarding that has ended."""
        assert process.project is not None
        assert process.customer is not None
        project = await projects.find_project(self.store, INSTALLATION, process.project)
        objects = [process.project, process.customer]
        references = await cross_references.list_all(self.store, INSTALLATION, canonical_id=objects, state=None)
        items = await work_items.list_all(self.store, INSTALLATION, Window(), process_id=process.id)
        told = await business_events.list_all(self.store, INSTALLATION, Window(limit=100), subject=process.id)
        announced = await business_events.list_all(
            self.store, INSTALLATION, Window(), subject=process.project, type=ACTIVATED
        )
        steps = (await list_steps(self.store, INSTALLATION, [process.id]))[process.id]
        code = await codes.kept_code(self.store, process.project)
        return {
            "state": process.state,
            "project": project and project.state,
            "code is the project's": bool(project and code and project.code == code),
            "references": Counter(reference.state.value for reference in references),
            "contract and schedule": await self._contract_states(process.project),
            "steps": [f"{step.name} {step.state}" for step in steps],
            "open work items": [item.step for item in items.items],
            "locks": await self._locks_of(process.id),
            "ends told": sum(event.type.endswith(f".{process.state}.v1") for event in told.items),
            "announced": len(announced.items),
        }

    async def _contract_states(self, project: str) -> list[str]:
        contracts = select(tb_contract.c.id, tb_contract.c.state).where(tb_contract.c.project == project)
        async with self.store.begin() as connection:
            found = (await connection.execute(contracts)).all()
            states = [state for _, state in found]
            for contract, _ in found:
                parts = select(tb_schedule_line.c.state).where(tb_schedule_line.c.contract_id == contract)
                states += (await connection.execute(parts)).scalars()
        return states

    async def _locks_of(self, process_id: str) -> int:
        counting = select(func.count()).select_from(tb_lock).where(tb_lock.c.process_id == process_id)
        async with self.store.begin() as connection:
            return int((await connection.execute(counting)).scalar_one())
