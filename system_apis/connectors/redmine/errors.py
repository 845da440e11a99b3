"""What Redmine's refusals mean, a row each. 429, 5xx and lost answers are `gateway.egress`'s.

Redmine's sentences come in the language of the key's user, so nothing that has to hold depends on one: whether a
project's identifier is taken is looked up.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.errors import ApiError, Refused, Unavailable
from openapi.common.types import Code


class Row(NamedTuple):
    """What to raise, and what to do next."""

    family: type[ApiError]
    code: Code
    advice: str


ANY: Final = ""
"""Whatever the sentence, or where there is none."""

ERRORS: Final[Mapping[tuple[int, str], Row]] = {
    (401, ANY): Row(Unavailable, Code.upstream_auth_expired, "Redmine does not know the API key."),
    # No right, the REST service off, the project closed or archived: Redmine says the same, with an empty body.
    (403, ANY): Row(Refused, Code.upstream_rejected, "Redmine forbids it: by rights, or as the project is read-only."),
    (404, ANY): Row(Refused, Code.resource_not_found, "Redmine has nothing with this id."),
    (422, "Identifier has already been taken"): Row(
        Refused, Code.project_code_collision, "Another project has the identifier. Take another code."
    ),
    (422, "Name is too long (maximum is 60 characters)"): Row(
        Refused, Code.unsupported_field, "Redmine takes names of milestones of up to 60 characters."
    ),
    (422, "Name has already been taken"): Row(
        Refused, Code.upstream_rejected, "The project has a milestone with this name. Redmine wants another name."
    ),
    (422, "Parent task is invalid"): Row(
        Refused, Code.upstream_rejected, "The parent is no task of this project. Name one that is."
    ),
    (422, "Principal cannot be blank"): Row(
        Refused, Code.resource_not_mapped, "The manager is gone from Redmine. Name somebody who is active there."
    ),
}

READS: Final[Mapping[int, Row]] = {
    # A look that is forbidden knows nothing; it must not pass for a "no".
    403: Row(Unavailable, Code.upstream_auth_expired, "Redmine forbids to read it: see to the key's rights."),
}


def error_for(status: int, sentences: Sequence[str], *, write: bool) -> ApiError:
    """Return the error to raise; a refusal without a row is `upstream.rejected`."""
    rows = [ERRORS.get((status, sentence)) for sentence in (*sentences, ANY)]
    found = [row for row in (None if write else READS.get(status), *rows) if row]
    row = found[0] if found else Row(Refused, Code.upstream_rejected, f"Redmine answered {status}.")
    return row.family(row.code, row.advice)
