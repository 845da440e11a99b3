"""What our code raises on purpose: a family says what happens next, a code what it was."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from msgspec import Struct

from openapi.common.types import Candidate, Code, Violation


class ApiError(Exception):
    """`code` is the entry in `openapi/problems.yaml`; `detail` tells this caller what to do next.

    `detail` holds no text of a vendor, no secret, no value that the caller could not have known.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *violations: Violation,
        retry_after_s: int | None = None,
        candidates: Sequence[Candidate] = (),
        process_id: str | None = None,
        violated_policies: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.violations = code, detail, violations
        self.retry_after_s, self.candidates, self.process_id = retry_after_s, tuple(candidates), process_id
        self.violated_policies = tuple(violated_policies)


class Refused(ApiError):
    """Somebody said no, nothing happened: workflows get it as a value, `Refusal`."""


class Unavailable(ApiError):
    """Nobody could be asked, nothing happened: a step tries again, then parks."""


class Uncertain(ApiError):
    """It may have happened: the guard looks before anything is sent again."""

    since: datetime | None = None
    """When the first send was made whose outcome is unknown, where the guard knows."""


class Overdue(Uncertain):
    """It has been unknown until the deadline: a person has to look. A class, because `submit` catches it by name."""


class WriteInProgress(Unavailable):
    """The same write is under way. A class, because `submit` catches it by name."""


class Refusal(Struct, frozen=True, kw_only=True):
    """A `Refused` as plain data: what a durable step records, so that a replay takes the same way."""

    code: Code
    detail: str
    violations: list[Violation] = []
    candidates: list[Candidate] = []
    process_id: str | None = None

    @classmethod
    def of(cls, refused: Refused) -> Self:
        """Return the refusal that says the same."""
        return cls(
            code=refused.code,
            detail=refused.detail,
            violations=list(refused.violations),
            candidates=list(refused.candidates),
            process_id=refused.process_id,
        )
