"""Who calls an installation that is upgraded: readers, and whoever takes a project from signature to invoice.

Each call goes to the next web process of those that are open; whatever is asked for is asked once more of the next,
under the same key, and has to be answered with the same bytes.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from typing import Any, Final, NamedTuple

import httpx

from examples.demo import orders
from tests.e2e.test_story import signed
from tests.faults.upgrade_systems import Systems

ONBOARDINGS: Final = "/process/project-onboarding/v1/onboardings"
TRANSFER: Final = "/process/time-transfer/v1"
RELEASES: Final = "/process/invoice-release/v1/releases"
HOLDS: Final = "/process/billing-holds/v1/holds"
STATUSES: Final = "/process/status/v1/project-statuses"
READS: Final = ("/health/ready", f"{STATUSES}?limit=5", "/system/books/erp/v1/legal-entities", f"{ONBOARDINGS}?limit=5")
"""Who says that it is not ready is called by nobody who has a balancer."""
SCOPES: Final = (
    *("entities:read", "status:read", "governance:write"),
    *("onboardings:create", "onboardings:read", "onboardings:resume"),
    *("time:transfer", "time:read"),
    *("invoices:release", "invoices:read"),
    *("holds:place", "holds:read", "holds:lift"),
)
RESTS_WITHIN_S: Final = 180.0
LOOK_EVERY_S: Final = 0.2
READ_EVERY_S, REST_S = 0.5, 1.0
"""So that most of a small machine is for the processes that start."""
MANY_RUNS: Final = 20
"""Somebody else's run may have been met too late."""
ACCEPTED: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})

Document = dict[str, Any]


class CallFailedError(Exception):
    """A call was not answered as it should have been; it is written down already."""


class Project(NamedTuple):
    """A project, as whoever had it onboarded knows it."""

    id: str
    code: str


def ended(document: Document) -> bool:
    """Tell whether nothing more comes."""
    return document["state"] in {"active", "completed", "cancelled"}


class Callers:
    """What is asked, of whom, and what was no proper answer."""

    def __init__(self, systems: Systems, token: str) -> None:
        self._systems = systems
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=120)
        self._webs: list[str] = []
        self._turns, self._calling = count(), Counter[str]()
        self._over, self._may_begin, self._telling = asyncio.Event(), asyncio.Event(), 0
        self._may_begin.set()
        self.failed: list[str] = []
        self.served: Counter[str] = Counter()
        self.replayed: Counter[tuple[str, str]] = Counter()
        """How often the answer of one web process came from another: by both."""
        self.told = 0
        """How many projects went all the way."""
        self.signed = self.worked = self.invoiced = 0
        """How many projects were asked for, were worked on, and were invoiced."""

    def enter(self, url: str) -> None:
        """Call this web process from now on, too."""
        self._webs.append(url)

    async def leave(self, url: str) -> None:
        """Return once nobody calls it any more."""
        self._webs.remove(url)
        while self._calling[url]:  # noqa: ASYNC110 - a counter tells nobody
            await asyncio.sleep(LOOK_EVERY_S)

    async def call(self, method: str, path: str, *, via: str | None = None, **sent: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Return the answer; raises CallFailedError where it is none, or no success."""
        url = via or self._webs[next(self._turns) % len(self._webs)]
        self._calling[url] += 1
        self.served[url] += 1
        try:
            answer = await self._http.request(method, url + path, **sent)
        except httpx.TransportError as error:
            self._fail(f"{method} {url}{path}: {error!r}")
        finally:
            self._calling[url] -= 1
        if answer.status_code not in ACCEPTED:
            self._fail(f"{method} {url}{path}: {answer.status_code} {answer.text}")
        return answer

    def _fail(self, what: str) -> None:
        self.failed.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what}")
        raise CallFailedError(what)

    async def ask(self, path: str, body: Document, *, via: str | None = None) -> httpx.Response:
        """Return the answer to what is asked; another web process gives the same one under the same key."""
        first, *others = sorted(self._webs, key=lambda url: (url != via, uuid.uuid4().hex))
        sent: Document = {"json": body, "headers": {"Idempotency-Key": f'"{uuid.uuid4()}"'}}
        answer = await self.call("POST", path, via=first, **sent)
        for other in others:
            if other not in self._webs:
                continue  # It was left while another one answered.
            again = await self.call("POST", path, via=other, **sent)
            same = again.content == answer.content and again.headers.get("Idempotency-Replayed") == "true"
            if not same:
                self._fail(f"POST {other}{path}: {again.text} in the place of {answer.text} from {first}")
            self.replayed[first, other] += 1
        return answer

    async def follow(
        self, location: str, until: Callable[[Document], bool] = ended, *, via: str | None = None
    ) -> Document:
        """Return what is there, once it fits."""
        end = time.monotonic() + RESTS_WITHIN_S
        while time.monotonic() < end:
            headers = {"Cache-Control": "no-cache"}
            document: Document = (await self.call("GET", location, via=via, headers=headers)).json()
            if until(document):
                return document
            await asyncio.sleep(LOOK_EVERY_S)
        self._fail(f"{location} does not come to rest: {document}")
        raise AssertionError

    async def onboard(self, department: str | None = None) -> str:
        """Return where the onboarding is of a project that was just signed."""
        self.signed += 1
        answer = await self.ask(ONBOARDINGS, signed(department or self._systems.department))
        return str(answer.headers["Location"])

    async def onboarded(self) -> Project:
        """Return a project that is active."""
        return project_of(await self.follow(await self.onboard()))

    async def resume(self, onboarding: str) -> None:
        """Let an onboarding go on from where it is parked."""
        await self.call("POST", f"{onboarding}/resume", json={"note": "It is open now."})

    async def work(self, project: Project) -> None:
        """Let people work on the project."""
        self.worked += 1
        await self._systems.work(project.code)

    async def transfer(self) -> str:
        """Return where the run is that takes over what has changed."""
        return str((await self.ask(f"{TRANSFER}/runs", {"connection": "delivery"})).headers["Location"])

    async def transferred(self, project: Project) -> None:
        """Return once all work on the project is in the books."""
        for _ in range(MANY_RUNS):
            await self.follow(await self.transfer())
            entries = (await self.call("GET", f"{TRANSFER}/entries?project={project.id}")).json()["items"]
            if entries and all(entry["transfer"] == "posted" for entry in entries):
                return
        self._fail(f"{project} was not taken over: {entries}")

    async def release(self, project: Project, *, via: str | None = None) -> str:
        """Return where the release is of last month's work."""
        wanted = {"legal_entity": "ES01", "projects": [project.id], "through": str(orders.last_month()[1])}
        return str((await self.ask(RELEASES, wanted, via=via)).headers["Location"])

    async def released(self, project: Project, state: str, *, via: str | None = None) -> Document:
        """Return the one request of a release, which comes to that state."""
        release = await self.follow(await self.release(project, via=via), via=via)
        (request,) = release["requests"]
        if request["state"] != state:
            self._fail(f"The release of {project} is not {state}: {release}")
        self.invoiced += state == "posted"
        return dict(request)

    async def hold(self, project: Project, *, via: str | None = None, path: str = HOLDS) -> Document:
        """Return a hold on the project, in force."""
        body = {"scope": {"type": "project", "id": project.id}, "reason_code": "dispute", "reference": "CASE-77"}
        return dict((await self.ask(path, body, via=via)).json())

    async def lift(self, hold: Document, *, via: str | None = None) -> None:
        """Lift the hold."""
        await self.call("POST", f"{HOLDS}/{hold['id']}/lift", via=via, json={"reason": "Answered."})

    async def delivered(self) -> Project:
        """Return a project whose work is in the books."""
        project = await self.onboarded()
        await self.work(project)
        await self.transferred(project)
        return project

    async def tell(self) -> None:
        """Take a project all the way."""
        project = await self.delivered()
        hold = await self.hold(project)
        await self.released(project, "held")
        await self.lift(hold)
        await self.released(project, "posted")
        self.told += 1

    async def tell_again_and_again(self) -> None:
        """Take one project after the other all the way."""
        while not self._over.is_set():
            await self._may_begin.wait()
            self._telling += 1
            try:
                await self.tell()
            except CallFailedError:
                continue
            finally:
                self._telling -= 1
                await asyncio.sleep(REST_S)

    async def read_again_and_again(self, path: str) -> None:
        """Read, whatever happens."""
        while not self._over.is_set():
            try:
                await self.call("GET", path)
            except CallFailedError:
                continue
            finally:
                await asyncio.sleep(READ_EVERY_S)

    async def more(self, number: int) -> None:
        """Return once so many more projects went all the way, or a call has failed."""
        wanted = self.told + number
        while self.told < wanted and not self.failed:  # noqa: ASYNC110 - a number tells nobody
            await asyncio.sleep(LOOK_EVERY_S)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let no project be under way while the block runs; reading goes on."""
        self._may_begin.clear()
        while self._telling:  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_EVERY_S)
        yield
        self._may_begin.set()

    @asynccontextmanager
    async def calling(self, tellers: int) -> AsyncIterator[None]:
        """Let all of them call while the block runs."""
        async with self._http, asyncio.TaskGroup() as everybody:
            for path in READS:
                everybody.create_task(self.read_again_and_again(path))
            for _ in range(tellers):
                everybody.create_task(self.tell_again_and_again())
            try:
                yield
            finally:
                self._over.set()
                self._may_begin.set()


def project_of(onboarding: Document) -> Project:
    """Return the project that was onboarded."""
    return Project(onboarding["project"]["id"], onboarding["project"]["code"])
