"""A conversation with Redmine: had with a real one and written down, or played back word for word.

`TIEBEAM_RECORD=1 pytest -m redmine tests/connectors/redmine` writes the recordings anew.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, Required, TypedDict, Unpack

from httpx import AsyncClient

from gateway.egress import Http
from gateway.egress.response import Response
from gateway.errors import Unavailable
from gateway.secret import Secret
from openapi.common.types import Code
from system_apis.connector import Connection
from system_apis.connectors.redmine import psa
from system_apis.connectors.redmine.adapter import RedminePsa
from system_apis.connectors.redmine.settings import Settings

RECORDED = Path(__file__).parent / "recorded"
REMOTE = "http://redmine.example"
CONNECTION = Connection(name="delivery", environment="sandbox", legal_entities=("ES01",))


class Details(TypedDict, total=False):
    """What `Http.call` is told by name."""

    operation: Required[str]
    write: Required[bool]
    content: bytes | None
    headers: Mapping[str, str] | None
    no_effect: Callable[[Response], bool] | None


class Conversation(Http, Protocol):
    """What a test may ask of the way to Redmine, beyond `Http`."""

    calls: list[str]
    base_url: str
    api_key: str


class Live:
    """Talks to a real Redmine, and remembers every word but the keys."""

    def __init__(self, base_url: str, api_key: str, client: AsyncClient) -> None:
        self.base_url, self.api_key, self._client = base_url, api_key, client
        self.calls: list[str] = []
        self.exchanges: list[dict[str, object]] = []

    async def call(self, method: str, url: str, **details: Unpack[Details]) -> Response:
        """Return what Redmine answers."""
        path, content = url.removeprefix(self.base_url), details.get("content")
        self.calls.append(f"{method} {path}")
        answer = await self._client.request(method, url, content=content, headers=details.get("headers"))
        response = Response(status=answer.status_code, content=answer.content)
        asked = {"method": method, "path": path, "body": None if content is None else json.loads(content)}
        answered = {"status": response.status, "body": _without_keys(response)}
        self.exchanges.append({"request": asked, "response": answered})
        return response

    def write_down(self, name: str) -> None:
        """Keep the conversation under the name."""
        lines = ",\n".join(json.dumps(exchange, ensure_ascii=False) for exchange in self.exchanges)
        (RECORDED / f"{name}.json").write_text(f"[\n{lines}\n]\n".replace(self.base_url, REMOTE))


class Recorded:
    """Plays a conversation back; another word than the recorded one fails the test."""

    base_url = REMOTE
    api_key = "recorded"

    def __init__(self, name: str) -> None:
        self._exchanges = json.loads((RECORDED / f"{name}.json").read_text())
        self.calls: list[str] = []

    async def call(self, method: str, url: str, **details: Unpack[Details]) -> Response:
        """Return what Redmine answered then."""
        path, content = url.removeprefix(self.base_url), details.get("content")
        self.calls.append(f"{method} {path}")
        exchange = self._exchanges.pop(0)
        assert {"method": method, "path": path, "body": content and json.loads(content)} == exchange["request"]
        answer = exchange["response"]
        body = answer["body"]
        return Response(
            status=answer["status"], content=body.encode() if isinstance(body, str) else json.dumps(body).encode()
        )


class Cut:
    """Lets so many writes through, and then breaks: nothing is sent any more, as after a crash."""

    def __init__(self, through: Conversation, writes: int) -> None:
        self._through, self._left = through, writes

    async def call(self, method: str, url: str, **details: Unpack[Details]) -> Response:
        """Return the answer, while there is one."""
        if details["write"] and self._left == 0:
            raise Unavailable(Code.upstream_unavailable, "The test cut the line.")
        self._left -= details["write"]
        return await self._through.call(method, url, **details)


class Scripted:
    """Answers what the test says, in turn; for what a real Redmine cannot be brought to say."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self._answers = list(answers)
        self.calls: list[str] = []

    async def call(self, method: str, url: str, **_: Unpack[Details]) -> Response:
        """Return the next answer."""
        self.calls.append(f"{method} {url.removeprefix(REMOTE)}")
        status, body = self._answers.pop(0)
        return Response(status=status, content=body if isinstance(body, bytes) else json.dumps(body).encode())


def connected(http: Http, base_url: str = REMOTE, api_key: str = "recorded") -> RedminePsa:
    """Return the connector at the other end."""
    return psa(CONNECTION, Settings(base_url=base_url, api_key=Secret(api_key)), http)


def _without_keys(response: Response) -> object:
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""  # An empty body, or a page.
    if isinstance(body, dict) and "user" in body:
        body["user"].pop("api_key", None)
    return body
