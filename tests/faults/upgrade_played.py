"""An upgrade under load, in the order of `docs/operations/upgrade.md`, and back again on the way; what is seen."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import httpx

from tests.faults.upgrade_callers import LOOK_EVERY_S, ONBOARDINGS, STATUSES, Callers, Document, Project
from tests.faults.upgrade_house import House, Running
from tests.faults.upgrade_systems import Made, Systems
from tests.releases import Release

GOVERNANCE: Final = "/platform/governance/v1"
WITHIN_S: Final = 60.0
STEPS: Final = {"onboarding": "create_project", "run": "post_billable_transactions", "release": "create_invoice"}
"""In the middle of each process, the write of which a second one would do harm."""


class Way(NamedTuple):
    """How it is played: from which release, on which systems; how whoever hands over ends, when in three steps."""

    release: str
    systems: str
    moment: str
    killed: bool
    tellers: int = 1
    """How many projects are on their way at a time."""
    checked: bool = True
    """Whether the new release looks at the systems first, which takes as long as to start it."""


class Stopped(NamedTuple):
    """With what a process ended, and the end of what it said."""

    code: int
    said: str


@dataclass
class Seen:
    """What was seen; each pair tells of the old release's web process first, then of the new one's."""

    checked: str = ""
    reached: list[set[str]] = field(default_factory=list)
    """The steps in which processes stood when their worker ended: the old one, then the new one."""
    finished: list[dict[str, Document]] = field(default_factory=list)
    """What became of them."""
    parked: list[Document] = field(default_factory=list)
    resumed: list[Document] = field(default_factory=list)
    """What was parked by a worker of one release, and resumed through the other."""
    held: list[Document] = field(default_factory=list)
    """The request of a release through it, of a project that is held through the other."""
    withdrawn: list[tuple[int, int]] = field(default_factory=list)
    """How it answers a client before and after that was withdrawn through the other."""
    pages: list[list[str]] = field(default_factory=list)
    """The projects of two pages, the first of which the other gave."""
    stopped: list[Stopped] = field(default_factory=list)
    """How processes ended that were told to stop."""
    made: Made = field(default_factory=dict)


class Upgrade:
    """Plays it."""

    def __init__(self, house: House, systems: Systems, callers: Callers, way: Way) -> None:
        self._house, self._systems, self.callers, self._way = house, systems, callers, way
        self.seen = Seen()

    async def play(self) -> Seen:
        """Return what was seen, once the old release is gone."""
        house, callers = self._house, self.callers
        old_web, old_worker = await asyncio.gather(house.web(house.old), house.worker(house.old))
        callers.enter(old_web.url)
        async with callers.calling(self._way.tellers):
            await callers.call("POST", f"{GOVERNANCE}/policy-reloads")
            house.say_who_owns()
            if self._way.checked:
                self.seen.checked = await house.tiebeam(house.new, "check", "--connections")
            await callers.more(1)
            await house.tiebeam(house.new, "migrate")
            new_worker, new_web = await asyncio.gather(self._hand_over(old_worker, house.new), house.web(house.new))
            callers.enter(new_web.url)
            old_worker = await self._hand_over(new_worker, house.old)
            await house.worker(house.new)
            async with callers.paused():
                for one, other in ((old_web.url, new_web.url), (new_web.url, old_web.url)):
                    await self._compare(one, other)
            await self._finish(old_web, old_worker)
        self.seen.made = await self._systems.made()
        return self.seen

    async def _hand_over(self, worker: Running, to: Release) -> Running:
        """Return a worker of the other release, which has finished what this one was in the middle of."""
        house, callers, seen = self._house, self.callers, self.seen
        async with callers.paused():
            ready, worked = await asyncio.gather(callers.delivered(), callers.onboarded())
            await callers.work(worked)
            department = f"D{uuid.uuid4().hex[:6].upper()}"
            unknown = await callers.onboard(department)
            seen.parked.append(await callers.follow(unknown, until=lambda one: one["state"] == "parked"))
            begun = await self._begin(worker, ready)
            another = await house.worker(to)
            await self._end(worker)
            seen.finished.append({name: await callers.follow(location) for name, location in begun.items()})
        await self._systems.open_department(department)
        await callers.resume(unknown)
        seen.resumed.append(await callers.follow(unknown))
        return another

    async def _begin(self, worker: Running, ready: Project) -> dict[str, str]:
        """Return where an onboarding, a run and a release are that stay in the middle of the worker's hands."""
        callers, held = self.callers, self._house.held
        held.joinpath("hold").write_text("".join(f"{self._way.moment} {step}\n" for step in STEPS.values()))
        begun = {
            "onboarding": await callers.onboard(),
            "run": await callers.transfer(),
            "release": await callers.release(ready),
        }
        end = time.monotonic() + WITHIN_S * 2
        while (reached := self._house.reached(worker)) < set(STEPS.values()):
            assert time.monotonic() < end, f"Only {reached} came there: {worker.said()}"
            await asyncio.sleep(LOOK_EVERY_S)
        self.seen.reached.append(reached)
        return begun

    async def _end(self, worker: Running) -> None:
        """Let the worker end: at once, or as soon as it has put down what it is at."""
        if self._way.killed:
            await worker.kill()
            await self._house.bury(worker)
        else:
            worker.tell()
        self._house.held.joinpath("hold").unlink()
        if not self._way.killed:
            await self._see_the_end_of(worker)

    async def _see_the_end_of(self, running: Running) -> None:
        """Wait for what was told to stop."""
        self.seen.stopped.append(Stopped(await running.ended(), running.said()))

    async def _compare(self, one: str, other: str) -> None:
        """See how `one` answers where `other` was told something."""
        callers, seen = self.callers, self.seen
        project = await callers.delivered()
        hold = await callers.hold(project, via=other)
        seen.held.append(await callers.released(project, "held", via=one))
        await callers.lift(hold, via=one)
        await callers.released(project, "posted", via=other)
        seen.withdrawn.append(await self._withdrawn(one, other))
        first = (await callers.call("GET", f"{STATUSES}?limit=1", via=other)).json()
        second = (await callers.call("GET", f"{STATUSES}?limit=1&cursor={first['next_cursor']}", via=one)).json()
        seen.pages.append([found["id"] for page in (first, second) for found in page["items"]])

    async def _withdrawn(self, one: str, other: str) -> tuple[int, int]:
        guest = f"guest-{uuid.uuid4().hex[:8]}"
        bearer = self._house.token(guest, "onboardings:read")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}, timeout=WITHIN_S) as asking:
            before = (await asking.get(one + ONBOARDINGS)).status_code
            denial = {"kind": "client", "value": guest, "reason": "The client's secret was seen in a log."}
            await self.callers.call("POST", f"{GOVERNANCE}/denials", via=other, json=denial)
            end = time.monotonic() + WITHIN_S
            after = before
            while after == before and time.monotonic() < end:
                after = (await asking.get(one + ONBOARDINGS)).status_code
        return before, after

    async def _finish(self, old_web: Running, old_worker: Running) -> None:
        """Let the old release go for good; the dates of versions come last."""
        house, callers = self._house, self.callers
        old_worker.tell()
        await self._see_the_end_of(old_worker)
        await callers.leave(old_web.url)
        old_web.tell()
        await self._see_the_end_of(old_web)
        house.say_until_when()
        await callers.call("POST", f"{GOVERNANCE}/policy-reloads")
        await callers.more(1)
