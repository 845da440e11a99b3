"""Between ASGI's messages and whole answers: an operation's, collected from the framework, sent to the caller."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.contract import Endpoint, Request
from gateway.edge.limits import Receive
from gateway.policy.call import Answer

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def answered(endpoint: Endpoint, scope: Scope, body: bytes) -> Answer:
    """Return the operation's answer to a request whose body is here already: it knows its parameters by itself."""
    reply = await endpoint(Request(scope, _received(body)))  # type: ignore[arg-type]  # ASGI, as the framework types it.
    return Answer(reply.status, reply.headers, reply.body)


async def collect(app: App, scope: Scope, body: bytes) -> Answer:
    """Return the application's answer to a request whose body is here already."""
    answer, parts = Answer(500, (), b""), list[bytes]()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [field for field in message["headers"] if field[0] != b"content-length"]
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, _received(body), send)
    answer.body = b"".join(parts)
    return answer


async def send_answer(send: Send, answer: Answer, *, with_body: bool = True) -> None:
    """Send the answer; without its body to a HEAD, but with the length it would have."""
    if answer.status not in (204, 304):
        answer.headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


def _received(body: bytes) -> Receive:
    """Return what gives the body once, as a server does."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
