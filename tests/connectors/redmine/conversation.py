"""A conversation with Redmine: had with a real one and written down, or played back word for word.

`TIEBEAM_RECORD=1 pytest -m redmine tests/connectors/redmine` writes the recordings anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
from httpx import AsyncClient, Response

from gateway.errors import Unavailable
from openapi.common.types import Code

RECORDED = Path(__file__).parent / "recorded"
REMOTE = "http://redmine.example"


class Conversation(Protocol):
    """What a test may ask of the way to Redmine, beyond `Http`."""

    calls: list[str]
    base_url: str

    async def call(self, method: str, url: str, **details: object) -> Response:
        """Return the answer."""


class Live:
    """Talks to a real Redmine, and remembers every word but the keys."""

    def __init__(self, base_url: str, api_key: str, client: AsyncClient) -> None:
        self.base_url, self.api_key, self._client = base_url, api_key, client
        self.calls: list[str] = []
        self.exchanges: list[dict[str, Any]] = []

    async def call(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> Response:
        """Return what Redmine answers."""
        path = url.removeprefix(self.base_url)
        self.calls.append(f"{method} {path}")
        response = await self._client.request(method, url, content=content, headers=headers)
        self.exchanges.append(
            {
                "request": {"method": method, "path": path, "body": None if content is None else json.loads(content)},
                "response": {"status": response.status_code, "body": _without_keys(response)},
            }
        )
        return response

    def write_down(self, name: str) -> None:
        """Keep the conversation under the name."""
        text = json.dumps(self.exchanges, indent=1, ensure_ascii=False).replace(self.base_url, REMOTE)
        (RECORDED / f"{name}.json").write_text(f"{text}\n")


class Recorded:
    """Plays a conversation back; another word than the recorded one fails the test."""

    base_url = REMOTE
    api_key = "recorded"

    def __init__(self, name: str) -> None:
        self._exchanges = json.loads((RECORDED / f"{name}.json").read_text())
        self.calls: list[str] = []

    async def call(self, method: str, url: str, *, content: bytes | None = None, **_: object) -> Response:
        """Return what Redmine answered then."""
        path = url.removeprefix(self.base_url)
        self.calls.append(f"{method} {path}")
        exchange = self._exchanges.pop(0)
        assert {"method": method, "path": path, "body": content and json.loads(content)} == exchange["request"]
        answer = exchange["response"]
        body = answer["body"]
        return Response(answer["status"], content=body.encode() if isinstance(body, str) else json.dumps(body).encode())


class Cut:
    """Lets so many writes through, and then breaks: nothing is sent any more, as after a crash."""

    def __init__(self, through: Conversation, writes: int) -> None:
        self._through, self._left = through, writes

    async def call(self, method: str, url: str, *, write: bool, **details: object) -> Response:
        """Return the answer, while there is one."""
        if write and self._left == 0:
            raise Unavailable(Code.upstream_unavailable, "The test cut the line.")
        self._left -= write
        return await self._through.call(method, url, write=write, **details)


class Scripted:
    """Answers what the test says, in turn; for what a real Redmine cannot be brought to say."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self._answers, self.calls = list(answers), list[str]()

    async def call(self, method: str, url: str, **_: object) -> Response:
        """Return the next answer."""
        self.calls.append(f"{method} {url.removeprefix(REMOTE)}")
        status, body = self._answers.pop(0)
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())


def _without_keys(response: Response) -> object:
    try:
        body = response.json()
    except ValueError:
        return ""  # An empty body, or a page.
    if isinstance(body, dict) and "user" in body:
        body["user"].pop("api_key", None)
    return body
