"""What runs between the router and a function: parameters and body in, answer or problem out."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from litestar import Request
from msgspec import Struct

from gateway import problems
from gateway.contract.answers import Answer
from gateway.contract.body import BodyReader, unwanted
from gateway.contract.media_types import accepts_json, header_values
from gateway.contract.model import PerRequest
from gateway.contract.parameters import Parameter, Values, read_all
from gateway.contract.reply import Reply
from gateway.contract.scope import caller_in, context_in
from gateway.contract.violations import malformed
from gateway.errors import Refused
from openapi.common.types import Code

_log = logging.getLogger(__name__)

IF_MATCH = "#header/If-Match"

AnyRequest = Request[Any, Any, Any]


class Binding(Struct, frozen=True, kw_only=True):
    """One operation and its function, ready to be called."""

    name: str
    function: Callable[..., Awaitable[object]]
    scopes: tuple[str, ...]
    public: bool
    parameters: Sequence[Parameter]
    body: BodyReader | None
    answers: Mapping[type, Answer]
    provided: Mapping[str, object]
    """What the function names besides the contract's parameters."""
    statuses: frozenset[int]

    async def __call__(self, request: AnyRequest) -> Reply:
        """Return the answer, whatever happens."""
        try:
            value = await self._called(request)
            return self.answers[type(value)].reply(value)
        except Exception as error:  # noqa: BLE001 - here whatever was raised becomes an answer.
            return self._problem(request, error)

    async def _called(self, request: AnyRequest) -> object:
        scope = request.scope
        if not self.public:
            caller_in(scope)  # The edge has asked; whoever serves this without it has made a mistake.
        if not accepts_json(header_values(scope, b"accept")):
            raise Refused(Code.request_not_acceptable, "Send Accept: application/json, or leave it out.")
        arguments = await self._arguments(request)
        for name, value in self.provided.items():
            arguments[name] = value.make(request) if isinstance(value, PerRequest) else value
        return await self.function(**arguments)

    async def _arguments(self, request: AnyRequest) -> Values:
        """Return the contract's arguments; what is wrong with parameters and body is told in one answer."""
        arguments, violations = read_all(self.parameters, request.scope, request.scope["path_params"])
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

    def _problem(self, request: AnyRequest, error: Exception) -> Reply:
        status, headers, body = problems.render(error, context_in(request.scope, self.scopes))
        if status not in self.statuses:
            _log.error("%s answered %d, which its contract does not list.", self.name, status)
        return Reply(status, headers, body)
