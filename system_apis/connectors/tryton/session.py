"""The log-in: one session for everybody, made once, however many ask; silence where Tryton counts attempts."""

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from msgspec import Struct

from gateway.egress.response import Response
from gateway.errors import Unavailable
from openapi.common.types import Code
from system_apis.connectors.tryton.errors import result_of
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Preferences

SILENCE_S: Final = 300.0
"""After too many failures Tryton refuses even the right password for this long, and each attempt prolongs it."""


class Session(Struct, frozen=True, kw_only=True):
    """What a call carries: who, and in which context Tryton sees it."""

    authorization: str
    context: Mapping[str, Any]
    reach: Sequence[int]
    """The companies that the user works for."""


class Transmit(Protocol):
    """One call as it is sent, before anybody is logged in."""

    def __call__(
        self, method: str, params: list[Any], *, write: bool, authorization: str | None = None
    ) -> Awaitable[Response]:
        """Return the answer."""


class Sessions:
    """The present session of a connection. Everybody who needs a new one waits for the one log-in."""

    def __init__(self, settings: Settings, transmit: Transmit, clock: Callable[[], float]) -> None:
        self._settings, self._transmit, self._clock = settings, transmit, clock
        self._lock = asyncio.Lock()
        self._present: Session | None = None
        self._silent_until = -math.inf

    async def present(self) -> Session:
        """Return the session; raises Unavailable where nobody can log in, or should not try yet."""
        async with self._lock:
            if self._present is None:
                self._refuse_while_silent()
                self._present = await self._log_in()
            return self._present

    def drop(self, session: Session) -> None:
        """Forget a session that Tryton did not take; a newer one stays."""
        if self._present is session:
            self._present = None

    def _refuse_while_silent(self) -> None:
        left_s = self._silent_until - self._clock()
        if left_s > 0:
            detail = "Tryton refused the gateway's log-in; it is asked again once its count of failures has run out."
            raise Unavailable(Code.upstream_auth_expired, detail, retry_after_s=math.ceil(left_s))

    async def _log_in(self) -> Session:
        settings = self._settings
        params = [settings.user, {"password": settings.password.reveal()}, "en"]  # English: `errors.py` reads texts.
        try:
            # As a read, which may try an open circuit: a write never does, and the first call of all is this one. It is
            # not repeated when Tryton counts: a 429 without `Retry-After` ends the call.
            answer = await self._transmit("common.db.login", params, write=False)
        except Unavailable as error:
            raise self._not_logged_in(error) from error
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise self._turned_away(Code.upstream_auth_expired)
        user_id, key = result_of(answer, list[Any], write=False)[:2]
        plain = f"{settings.user}:{user_id}:{key}".encode()
        return await self._session(f"Session {base64.b64encode(plain).decode()}")

    async def _session(self, authorization: str) -> Session:
        """Return the session with its context: without groups, fields that only some may edit are refused."""
        answer = await self._transmit(
            "model.res.user.get_preferences", [True, {}], write=False, authorization=authorization
        )
        preferences = result_of(answer, Preferences, write=False)
        context = {"employee": preferences.employee, "groups": preferences.groups, "language": "en"}
        return Session(authorization=authorization, context=context, reach=preferences.reach)

    def _not_logged_in(self, error: Unavailable) -> Unavailable:
        if (
            error.code is Code.upstream_rate_limited and error.retry_after_s is None
        ):  # Tryton's own; ours says how long.
            return self._turned_away(Code.upstream_rate_limited)
        return Unavailable(
            Code.upstream_unavailable, "Tryton cannot be reached to log in.", retry_after_s=error.retry_after_s
        )

    def _turned_away(self, code: Code) -> Unavailable:
        self._silent_until = self._clock() + SILENCE_S
        detail = "Tryton does not take the gateway's user or password. `tiebeam check --connections` says more."
        return Unavailable(code, detail, retry_after_s=int(SILENCE_S))
