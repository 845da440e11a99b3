"""One set of policies at work: every operation's way. It is never changed; a reload puts another one in its place."""

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.edge.paths import normal
from gateway.edge.pressure import Pressure
from gateway.edge.routes import Routes, allowed, is_governed
from gateway.edge.shadow import Shadow
from gateway.edge.standing import Standing
from gateway.edge.strangers import Strangers
from gateway.edge.way import Way
from gateway.errors import Refused
from gateway.lifecycle import Course, course_of
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.policy.operation import UNMATCHED, Operation
from gateway.policy.plan import PolicySet, Roots
from openapi.common.types import Code

TARGETS: Final = 20_000
"""Targets whose way is remembered; then all are forgotten, and looked up anew."""
TARGET_BYTES: Final = 256
"""No longer one is remembered: strangers write them too, and shall not fill the memory."""
PAGE: Final = Operation(name="page", method="GET", path="", public=True, max_body_bytes=0)
"""Stands for everything that is open to everybody: health, documentation, problems."""


class Governed:
    """Finds a call's way, and goes it."""

    def __init__(
        self,
        policies: PolicySet,
        kit: Kit,
        standing: Standing,
        serve: Proceed,
        *,
        strangers: Strangers,
        pressure: Pressure,
        shadow: Shadow | None = None,
    ) -> None:
        self.policies = policies
        self._routes, self._kit, self._serve = Routes(policies.plans), kit, serve
        self._roots = policies.roots
        ends = {UNMATCHED.place: self._unmatched}
        self._ways = {
            place: Way(
                *(plan, policies, kit, standing, ends.get(place, serve)),
                strangers=strangers,
                pressure=pressure,
            )
            for place, plan in policies.plans.items()
        }
        self._ways[UNMATCHED.place].course_at = self.course_at
        if shadow:
            for way in self._ways.values():
                way.beside = shadow.beside(way.plan)
        self._targets: dict[tuple[str, bytes], tuple[str, Way]] = {}

    @property
    def tries(self) -> RateLimit | None:
        """Return the row for what strangers try where no operation is."""
        return self._ways[UNMATCHED.place].tries

    def way(self, call: Call) -> Callable[[Call], Answer | Awaitable[Answer]]:
        """Return where a call goes whose path nobody has looked at yet; raises Refused where it is malformed."""
        target = call.scope["method"], call.scope["raw_path"]
        found = self._targets.get(target) or self.way_of(*target)
        if found is None:
            return self._serve
        call.path, way = found
        call.operation = way.operation
        return way

    def way_of(self, method: str, raw_path: bytes) -> tuple[str, Way] | None:
        """Return the normalised path and its way, None for a page that is open to everybody; raises Refused."""
        path = normal(raw_path)
        if not is_governed(path):
            return None
        plan = self._routes.find(path).get("GET" if method == "HEAD" else method)
        if plan is None:
            return path, self._ways[UNMATCHED.place]
        found = path, self._ways[plan.operation.place]
        if len(raw_path) <= TARGET_BYTES:
            if len(self._targets) >= TARGETS:
                self._targets.clear()
            self._targets[method, raw_path] = found
        return found

    async def turned_away(self, call: Call, error: Exception) -> Answer:
        """Return the refusal of a call whose path or size is out of bounds: it goes nowhere, and is written down."""
        call.operation, call.path = UNMATCHED, call.scope["raw_path"].decode("latin-1")
        return await self._ways[UNMATCHED.place].turned_away(call, error)

    async def _unmatched(self, call: Call) -> Answer:
        """Return the same to who calls, and count it where a version was there once; who only asks calls nothing."""
        if call.course is not None and _under(call.path, self.policies.gone) is not None:
            self._kit.usage.count_lost(call.caller.client, call.course.contract)
        return await self.nothing_here(call)

    async def nothing_here(self, call: Call) -> Answer:
        """Return what a known caller is told of a path without operations, or without this method."""
        if call.course is not None and (refused := call.course.refusal(self._kit.now())):
            raise refused
        found = self._routes.find(call.path)
        if not found:
            raise Refused(Code.resource_not_found, "Check the address; /docs lists every operation.")
        if call.scope["method"] == "OPTIONS":
            return Answer(204, [(b"allow", allowed(found).encode())], b"")
        refused = Refused(Code.request_method_not_allowed, f"Use one of {allowed(found)}.")
        answer = self._kit.problem(call, refused)
        answer.add(b"allow", allowed(found).encode())
        return answer

    def course_at(self, call: Call) -> Course | None:
        """Return what a caller is told below a version's root where no operation is; None where nothing goes."""
        place = _under(call.path, self._roots)
        return course_of(self.policies.lifecycle, *place, call.caller.client) if place else None


def _under(path: str, roots: Roots) -> tuple[str, str | None] | None:
    """Return contract and connection of the root that the path lies under."""
    segments = path.split("/")
    return roots.get("/".join(segments[:4])) or roots.get("/".join(segments[:5]))
