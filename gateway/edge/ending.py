"""What the life of its version does to a call whose caller is known: it is told, counted, and at last refused.

Only operations of which something goes come here. Nothing of it is kept: a kept answer is told to each caller anew.
"""

from typing import Final

from gateway.errors import Refused
from gateway.lifecycle import Course
from gateway.policy.call import Answer, Call
from gateway.policy.kinds.base import Kit

FORBIDDEN: Final = 403
SUCCESS: Final = range(200, 300)


async def refusal_at(call: Call, course: Course, kit: Kit) -> Refused | None:
    """Return why the call does not go on at this second; raises Unavailable where nobody can tell who is new."""
    now = kit.now()
    if refused := course.refusal(now):
        return refused
    before = course.known_before(now)
    if before is not None:
        client = call.caller.client
        known = kit.known.known(client, course.contract, before)
        if not (await kit.known.look(client, course.contract, before) if known is None else known):
            return course.newcomer(now)
    return course.refusal_of(course.retiring.in_query(call.query), now) if course.retiring else None


async def check_body(call: Call, course: Course, kit: Kit) -> None:
    """Return when nothing in the body is gone; raises Refused. Where nothing can be, the body is not read here."""
    retiring, now = course.retiring, kit.now()
    if retiring is None or not retiring.refuses_bodies(now):
        return
    if refused := course.refusal_of(retiring.sent(await call.body()), now):
        raise refused


def tell(call: Call, course: Course, kit: Kit, answer: Answer) -> None:
    """Put into the answer what its caller has to know of the version's life, and count what of it they use."""
    answer.headers += course.told(kit.now())
    caller = call.known_caller
    if caller is None:
        return
    if course.retiring and answer.status != FORBIDDEN:  # Who may not call uses nothing.
        used = course.retiring.used(call.query, call.body_read, _shown(call, answer))
        kit.usage.count_fields(caller.client, call.operation.name, used)
        if used and not course.goes:
            answer.headers.append(course.link)


def _shown(call: Call, answer: Answer) -> bytes:
    """Return the JSON that the caller gets; nothing of refusals, which are of no version, and of what is not sent."""
    content = answer.header(b"content-type") or b""
    sent = answer.status in SUCCESS and call.scope["method"] != "HEAD"
    return answer.body if sent and content.partition(b";")[0].strip().lower() == b"application/json" else b""
