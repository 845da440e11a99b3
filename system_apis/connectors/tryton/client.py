"""Tryton's JSON-RPC in Tryton's words: calls, context, session. No word of ours, no mapping.

Interface: https://docs.tryton.org/latest/server/topics/rpc.html
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

from gateway.egress import Http
from gateway.egress.response import Response
from gateway.errors import ApiError, Refused, Uncertain
from openapi.common.types import Code
from system_apis.connectors.tryton.errors import had_no_effect, result_of
from system_apis.connectors.tryton.known import Known
from system_apis.connectors.tryton.session import Session, Sessions
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Configuration, Domain, Rights, Values, encoded

T = TypeVar("T")
Order: TypeAlias = list[list[str]]
BY_ID: Final[Order] = [["id", "ASC"]]
HEADERS: Final = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
"""Tryton 8.2 labels longer answers gzip whoever asks, and compresses them only for those who ask."""
Stamps = Mapping[str, str]


class TrytonClient:
    """One database of one server. Each method returns wire types, or raises what `errors.py` says."""

    def __init__(self, settings: Settings, http: Http, clock: Callable[[], float] = time.monotonic) -> None:
        self._http, self._server = http, f"{settings.base_url}/rpc/"
        self._url = f"{settings.base_url}/{settings.database}/rpc/"
        self._companies = sorted(settings.companies.values())
        self._sessions = Sessions(settings, self._transmit, clock)
        self.known = Known(clock)

    async def search(
        self,
        model: str,
        domain: Domain,
        into: type[T],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: Order = BY_ID,
    ) -> list[T]:
        """Return the records of the domain, the oldest first unless another order is asked for."""
        params = [domain, 0, limit, order, list(fields)]
        return await self._call(f"model.{model}.search_read", params, list[into], write=False)  # type: ignore[valid-type]  # given at run time

    async def ids(self, model: str, domain: Domain) -> list[int]:
        """Return the ids of the domain's records, the oldest first."""
        return await self._call(f"model.{model}.search", [domain, 0, None, BY_ID], list[int], write=False)

    async def tax_rounding(self, company: int) -> str:
        """Return how the company rounds taxes: `document` or `line`."""
        method = "model.account.configuration.read"
        found = await self._call(method, [[1], ["tax_rounding"]], list[Configuration], write=False, company=company)
        return found[0].tax_rounding

    async def rights(self, models: Sequence[str]) -> Mapping[str, Rights]:
        """Return what the user may do with the models."""
        method = "model.ir.model.access.get_access"
        return await self._call(method, [list(models)], dict[str, Rights], write=False)

    async def companies(self) -> Sequence[int]:
        """Return the companies that the user works for."""
        return (await self._sessions.present()).reach

    async def create(self, model: str, values: Values, *, company: int | None = None) -> int:
        """Return the id of the new record."""
        return (await self.create_all(model, [values], company=company))[0]

    async def create_all(self, model: str, records: Sequence[Values], *, company: int | None = None) -> list[int]:
        """Return the ids of new records: all of them are made, or none."""
        return await self._call(f"model.{model}.create", [list(records)], list[int], write=True, company=company)

    async def copy(self, model: str, record: int, values: Values, *, company: int | None = None) -> int:
        """Return the id of a copy of the record and of what hangs on it; `values` are the copy's own."""
        copied = await self._call(f"model.{model}.copy", [[record], values], list[int], write=True, company=company)
        return copied[0]

    async def write(self, model: str, *changes: list[int] | Values, stamps: Stamps | None = None) -> None:
        """Change records, `ids, values, ids, values, …`, in one transaction; a stale stamp refuses it."""
        await self._call(f"model.{model}.write", list(changes), object, write=True, stamps=stamps)

    async def delete(self, model: str, records: Sequence[int], *, company: int) -> None:
        """Take records away: all of them, or none."""
        await self._call(f"model.{model}.delete", [list(records)], object, write=True, company=company)

    async def press(
        self, model: str, button: str, records: Sequence[int], *, company: int, stamps: Stamps | None = None
    ) -> None:
        """Do what a button does, to all records or to none; a stale stamp refuses it."""
        method = f"model.{model}.{button}"
        await self._call(method, [list(records)], object, write=True, company=company, stamps=stamps)

    async def on_change(self, model: str, field: str, values: Values, into: type[T], *, company: int) -> T:
        """Return what Tryton's own form fills in where the field is set."""
        return await self._call(f"model.{model}.on_change_{field}", [values], into, write=False, company=company)

    async def server_version(self) -> str:
        """Return the server's series; it is asked without a log-in, and of no database."""
        method = "common.server.version"
        request = encoded(method, [])
        answer = await self._http.call(
            "POST", self._server, operation=method, write=False, content=request, headers=HEADERS
        )
        return result_of(answer, str, write=False)

    async def _call(
        self,
        method: str,
        params: list[Any],
        into: type[T],
        *,
        write: bool,
        company: int | None = None,
        stamps: Stamps | None = None,
    ) -> T:
        extras: Values = {"_timestamp": dict(stamps)} if stamps else {}
        try:
            answer = await self._sent(method, params, write=write, company=company, extras=extras)
            return result_of(answer, into, write=write)
        except Refused:
            if write:
                self.known.forget()
            raise

    async def _sent(
        self, method: str, params: list[Any], *, write: bool, company: int | None, extras: Values
    ) -> Response:
        """Return the answer. 401 says that nothing was run: log in once, send it once more."""
        session = await self._sessions.present()
        answer = await self._in(session, method, params, write=write, company=company, extras=extras)
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return answer
        self._sessions.drop(session)
        session = await self._sessions.present()
        return await self._in(session, method, params, write=write, company=company, extras=extras)

    async def _in(
        self, session: Session, method: str, params: list[Any], *, write: bool, company: int | None, extras: Values
    ) -> Response:
        """Return the answer to a call within a session, whose context goes with it."""
        context = {**self._context(session, company), **extras}
        return await self._transmit(method, [*params, context], write=write, authorization=session.authorization)

    def _context(self, session: Session, company: int | None) -> Values:
        """Return the context, with the company that the call is for, without which defaults are missing."""
        return {**session.context, "company": company or self._companies[0], "companies": self._companies}

    async def _transmit(
        self, method: str, params: list[Any], *, write: bool, authorization: str | None = None
    ) -> Response:
        return await self._http.call(
            "POST",
            self._url,
            operation=method.removeprefix("model."),
            write=write,
            content=encoded(method, params),
            headers={**HEADERS, "Authorization": authorization} if authorization else HEADERS,
            no_effect=had_no_effect,
        )


@contextmanager
def effect_is_there() -> Iterator[None]:
    """Turn what goes wrong after a write into Uncertain: the effect is there, only its reading back failed."""
    try:
        yield
    except ApiError as error:
        detail = "Tryton has written it, and could not be read back."
        raise Uncertain(Code.upstream_timeout_uncertain, detail) from error
