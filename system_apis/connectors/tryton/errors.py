"""What Tryton's refusals mean, a row each. 429, 5xx and lost answers are `gateway.egress`'s.

Tryton has no error codes: the class comes first, then its English text, which the log-in asks for. What a caller sent
may stand in it, so that the patterns begin with Tryton's own words.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeVar

from msgspec import UNSET

from gateway.egress import unanswered
from gateway.egress.response import Response
from gateway.errors import ApiError, Refused, Unavailable
from openapi.common.types import Code
from system_apis.connectors.tryton.wire import Answer, decoded

T = TypeVar("T")

CLASSES: Final[Mapping[str, tuple[type[ApiError], Code, str]]] = {
    "ConcurrencyException": (
        Refused,
        Code.precondition_failed,
        "Somebody changed it in the meantime. Read it again, decide again.",
    ),
    "UserWarning": (
        Refused,
        Code.upstream_rejected,
        "Tryton asks for a confirmation that only a person gives. Do this one in Tryton.",
    ),
    "LoginException": (
        Unavailable,
        Code.upstream_auth_expired,
        "Tryton asks the gateway's user for more than a password. Give it a user without a second factor.",
    ),
}
WARNINGS: Final[Mapping[str, str]] = {
    "invoice_date_future": "Tryton warns of a date in the future, which only a person confirms. Post it there.",
    "invoice_payment_term": "Tryton warns of a due date in the past, which only a person confirms. Post it there.",
}
"""By the name of a warning, which stands at the end of its key; one without a row is told as any."""
CLOSED: Final = "Tryton's period is closed. Have finance reopen it, or post into the next one."
TEXTS: Final[Sequence[tuple[re.Pattern[str], Code, str]]] = (  # The first that fits from the start decides.
    (
        re.compile(r'The .+ "[^"]*" for party ".*" is not valid\.\Z', re.DOTALL),
        Code.customer_tax_id_invalid,
        "Tryton checks tax ids, and this one is not valid.",
    ),
    (
        re.compile(r"The code on party must be unique\."),
        Code.upstream_conflict_stale,
        "Another party of Tryton carries this key already.",
    ),
    (
        re.compile(r"You cannot (create a journal-period in|add/modify/delete (tax )?lines (in|on)) closed "),
        Code.period_closed,
        CLOSED,
    ),
    (re.compile(r"To continue, you must reopen the period "), Code.period_closed, CLOSED),
    (
        re.compile(r"To continue, you must create a period "),
        Code.period_not_open_yet,
        "Tryton has no period for this day. Have finance make the fiscal year.",
    ),
    (
        re.compile(r"To number the invoice "),
        Code.upstream_rejected,
        "Tryton numbers invoices in the order of their dates, and a later one is posted. Post it with today's date.",
    ),
    (
        re.compile(r"You are trying to .+ that don't exist\.\Z", re.DOTALL),
        Code.resource_not_found,
        "Tryton does not know this id.",
    ),
    (
        re.compile(r"You are not allowed to "),
        Code.upstream_rejected,
        "Tryton does not let the gateway's user do this. `tiebeam check --connections` says which group it lacks.",
    ),
)
STATUSES: Final[Mapping[int, tuple[Code, str]]] = {  # Refused before anything was run, hence without effect.
    401: (
        Code.upstream_auth_expired,
        "Tryton ended the gateway's session twice in a row. Its password may have changed.",
    ),
    404: (Code.upstream_unavailable, "The Tryton server has no database of this name."),
}
NUMBERED: Final = re.compile(r"The number on .+ must be unique\.")
"""Tryton on SQLite gave one number to two that came at once, and took the first: the next try gets another."""
NOT_WRITTEN: Final = (b"could not obtain lock", b"could not serialize")
"""PostgreSQL's words for two writers at once, which Tryton passes on with 503: nothing of the later one was written."""


def error_for(error: Sequence[object], *, write: bool) -> ApiError:
    """Return what to raise for `error` of an answer: `[class, arguments]`. Tryton's text never leaves this function."""
    name = str(error[0]) if error else ""
    arguments = error[1] if len(error) > 1 and isinstance(error[1], list) else []
    text = str(arguments[0]) if arguments else ""
    if name in CLASSES:
        family, code, detail = CLASSES[name]
        return family(code, WARNINGS.get(text.rpartition(".")[2], detail) if name == "UserWarning" else detail)
    if name != "UserError":  # An unknown field or model, or a defect: this database is not what we were written for.
        detail = "Tryton failed inside. `tiebeam check --connections` says whether modules or rights are missing."
        return unanswered(write=write)(Code.upstream_contract_violation, detail)
    if NUMBERED.match(text):
        return Unavailable(Code.upstream_unavailable, "Tryton numbered two at once, and took one. It is tried again.")
    for pattern, code, detail in TEXTS:
        if pattern.match(text):
            return Refused(code, detail)
    return Refused(Code.upstream_rejected, "Tryton refused the content. Its log names the field and the reason.")


def result_of(response: Response, into: type[T], *, write: bool) -> T:
    """Return what Tryton answered; raises what its refusal means, or the family of an answer that nobody can read."""
    if response.status != HTTPStatus.OK:
        code, detail = STATUSES.get(response.status, (Code.upstream_contract_violation, "Tryton refused the call."))
        raise Unavailable(code, detail)
    try:
        answer = decoded(response.content, Answer[into])  # type: ignore[valid-type]  # a type that is given at run time
    except ValueError as error:  # msgspec's is one.
        detail = "Tryton answered in an unknown shape."
        raise unanswered(write=write)(Code.upstream_contract_violation, detail) from error
    if answer.error is not None:
        raise error_for(answer.error, write=write)
    if answer.result is UNSET:
        raise unanswered(write=write)(Code.upstream_contract_violation, "Tryton answered nothing.")
    return answer.result


def had_no_effect(response: Response) -> bool:
    """Tell whether an answer of 5xx to a write certainly means that nothing was written."""
    return response.status == HTTPStatus.SERVICE_UNAVAILABLE and any(part in response.content for part in NOT_WRITTEN)
