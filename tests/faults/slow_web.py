"""The product's server, that drains, before an application that answers as late as its path says: `/0.5`.

`/begun` answers at once how many calls there were that take time.

`python -m tests.faults.slow_web PORT DRAIN_S`.
"""

import asyncio
import sys

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes

from gateway.draining import Draining, Server
from gateway.edge.answers import App, Scope, Send
from gateway.edge.limits import Receive

BEGUN = "/begun"
begun: list[float] = []
"""How late each call is answered that takes time."""


async def late(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, in the end."""
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
        return
    seconds = 0.0 if scope["path"] == BEGUN else float(scope["path"][1:])
    if seconds:
        begun.append(seconds)
        await asyncio.sleep(seconds)
    body = b"%d" % len(begun)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def application() -> App:
    """Return what is served."""
    draining = Draining()
    draining.listen()
    return draining.before(late)


def main(port: int, drain_s: float) -> None:
    """Serve until told to stop."""
    server = Server(
        "tests.faults.slow_web:application",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        factory=True,
        log_enabled=False,
    )
    server.drain_s = drain_s
    server.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
