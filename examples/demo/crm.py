"""The CRM of the story: it knows the gateway's address and its token, nothing else."""

import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx

from examples.demo import telling

RESTING = {"active", "parked", "cancelled", "completed"}
PATIENCE_S = 90.0

Document = dict[str, Any]


class Crm:
    """Calls the gateway over REST, and shows each call."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def call(self, method: str, path: str, body: Document | None = None, *, key: str | None = None) -> httpx.Response:
        """Return the answer; a creating call carries an idempotency key."""
        started = time.monotonic()
        answer = self._send(method, path, body, key)
        telling.sent(method, path, answer.status_code, time.monotonic() - started)
        return answer

    def call_as(self, token: str, method: str, path: str) -> httpx.Response:
        """Return the answer to somebody else's call."""
        started = time.monotonic()
        answer = self.ask_as(token, method, path)
        telling.sent(method, path, answer.status_code, time.monotonic() - started)
        return answer

    def ask_as(self, token: str, method: str, path: str) -> httpx.Response:
        """Return the answer to somebody else's call, which is not shown."""
        return self._http.request(method, path, headers={"Authorization": f"Bearer {token}"})

    def _send(self, method: str, path: str, body: Document | None, key: str | None) -> httpx.Response:
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        return self._http.request(method, path, json=body, headers=headers)

    def onboard(self, body: Document, *, key: str | None = None) -> httpx.Response:
        """Ask for an onboarding; each intent has a key of its own."""
        path = "/process/project-onboarding/v1/onboardings"
        return self.call("POST", path, body, key=key or str(uuid.uuid4()))

    def get(self, path: str) -> httpx.Response:
        """Return what is read; a read is not shown."""
        return self._http.get(path).raise_for_status()

    def create(self, path: str, body: Document) -> httpx.Response:
        """Ask for something; each intent has a key of its own."""
        return self.call("POST", path, body, key=str(uuid.uuid4()))

    def create_quietly(self, path: str, body: Document) -> httpx.Response:
        """Ask for something that is not shown."""
        return self._send("POST", path, body, str(uuid.uuid4()))

    def follow(self, location: str, shown: set[str] | None = None) -> Document:
        """Return the process once it rests; show its steps as they end."""
        seen = set() if shown is None else shown
        for process in self._polled(location):
            parts = [process, *process.get("requests", ())]
            for step in (step for part in parts for step in part.get("steps", ())):
                mark = f"{step['name']}:{step['state']}"
                if step["state"] in {"pending", "running"} or mark in seen:
                    continue
                seen.add(mark)
                telling.step(step["name"], step["state"], step["system"], step.get("external_id"), _seconds(step))
            if process["state"] in RESTING:
                return process
        raise TimeoutError(f"{location} did not come to rest within {PATIENCE_S:.0f} s.")

    def _polled(self, location: str) -> Iterator[Document]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            document: Document = self._http.get(location).raise_for_status().json()
            yield document
            time.sleep(0.2)  # A CRM polls; the story shows the steps as they come.


def _seconds(step: Document) -> float | None:
    if not step["started_at"] or not step["ended_at"]:
        return None
    started, ended = (_instant(step[name]) for name in ("started_at", "ended_at"))
    return ended - started


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
