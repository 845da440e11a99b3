"""What runs between whoever found the operation and its function: parameters and body in, answer or problem out."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from gateway import problems
from gateway.contract.answers import Answer
from gateway.contract.body import BodyReader, unwanted
from gateway.contract.media_types import accepts_json, header_values
from gateway.contract.parameters import Parameters, Values
from gateway.contract.reply import Reply
from gateway.contract.request import Request
from gateway.contract.scope import caller_in, context_in
from gateway.contract.violations import malformed
from gateway.errors import Refused, Unavailable
from gateway.store.database import passes
from openapi.common.types import Code

_log = logging.getLogger(__name__)

IF_MATCH = "#header/If-Match"


class Binding(Struct, frozen=True, kw_only=True):
    """One operation and its function, ready to be called."""

    name: str
    function: Callable[..., Awaitable[object]]
    scopes: tuple[str, ...]
    public: bool
    parameters: Parameters
    body: BodyReader | None
    answers: Mapping[type, Answer]
    provided: Mapping[str, object]
    """What the function names besides the contract's parameters, the same for each request."""
    per_request: Mapping[str, Callable[[Request], object]]
    """What makes the others, which differ from request to request."""
    statuses: frozenset[int]

    async def __call__(self, request: Request) -> Reply:
        """Return the answer, whatever happens."""
        try:
            value = await self._called(request)
            return self.answers[type(value)].reply(value)
        except SQLAlchemyError as error:
            return self._problem(request, _told(request, error))
        except Exception as error:  # noqa: BLE001 - here whatever was raised becomes an answer.
            return self._problem(request, error)

    async def _called(self, request: Request) -> object:
        scope = request.scope
        if not self.public:
            caller_in(scope)  # The edge has asked; whoever serves this without it has made a mistake.
        if not accepts_json(header_values(scope, b"accept")):
            raise Refused(Code.request_not_acceptable, "Send Accept: application/json, or leave it out.")
        arguments = await self._arguments(request)
        arguments |= self.provided
        for name, make in self.per_request.items():
            arguments[name] = make(request)
        return await self.function(**arguments)

    async def _arguments(self, request: Request) -> Values:
        """Return the contract's arguments; what is wrong with parameters and body is told in one answer."""
        arguments, violations = self.parameters.read(request.scope)
        try:
            if self.body:
                arguments["body"] = await self.body.read(request.scope, request.receive)
            else:
                violations += await unwanted(request.scope, request.receive)
        except Refused as refused:
            if refused.code is not Code.request_malformed:
                raise
            violations += refused.violations
        if [each.pointer for each in violations] == [IF_MATCH] and not header_values(request.scope, b"if-match"):
            raise Refused(Code.precondition_required, "Send the ETag of your last read in `If-Match`.")
        if violations:
            raise malformed(violations)
        return arguments

    def _problem(self, request: Request, error: Exception) -> Reply:
        status, headers, body = problems.render(error, context_in(request.scope, self.scopes))
        if status not in self.statuses:
            _log.error("%s answered %d, which its contract does not list.", self.name, status)
        return Reply(status, [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers], body)


def _told(request: Request, error: SQLAlchemyError) -> Exception:
    """Return what a caller is told of the database: to read again soon; of a write nobody knows how far it came."""
    if request.scope["method"] != "GET" or not passes(error):
        return error
    _log.warning("The database did not answer a read: %s.", type(error).__name__)  # Its text may hold names.
    return Unavailable(Code.gateway_overloaded, "The database did not answer. Ask again.")
