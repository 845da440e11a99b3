"""What came of one try of a step, as plain data: the engine keeps it, and a replay takes the same way by it."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import msgspec
from msgspec import Struct

from gateway.errors import ApiError, Refusal, Uncertain
from openapi.common.types import Code


class Kind(StrEnum):
    """How a try ended."""

    done = "done"
    refused = "refused"
    """Somebody said no; nothing happened."""
    unavailable = "unavailable"
    """Nobody could be asked; nothing happened."""
    broken = "broken"
    """Our own code broke."""
    uncertain = "uncertain"
    """It may have happened; it is looked for after a while."""
    overdue = "overdue"
    """It may have happened, and has been looked for long enough: a person has to look."""
    left = "left"
    """It may have happened, and the workflow goes on: it is looked for by a later process."""
    given_up = "given_up"
    """It was not tried: meanwhile it was decided that the process is undone."""
    stopped = "stopped"
    """It was not tried: the process has ended, or a later attempt is under way."""


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a try ended, and with what."""

    kind: Kind
    at: int = 0
    """The engine's number of the step: where it is taken up again."""
    value: Any = None
    refusal: Refusal | None = None
    wait_s: float = 0.0
    """After how long to look again. Recorded, so that settings may change under way."""
    since: datetime | None = None
    """Since when it is unknown."""

    @classmethod
    def failed(cls, kind: Kind, error: ApiError, *, at: int) -> Self:
        """Return the outcome that says what the error says."""
        refusal = Refusal(
            code=error.code,
            detail=error.detail,
            violations=list(error.violations),
            candidates=list(error.candidates),
            process_id=error.process_id,
        )
        since = error.since if isinstance(error, Uncertain) else None
        return cls(kind=kind, at=at, refusal=refusal, since=since)

    @classmethod
    def broke(cls, *, at: int) -> Self:
        """Return the outcome of a mistake of ours; what it was is in the log."""
        detail = "Something went wrong in the gateway. Once it is mended, resume."
        return cls(kind=Kind.broken, at=at, refusal=Refusal(code=Code.internal, detail=detail))

    @property
    def is_a_no(self) -> bool:
        """Tell whether the step certainly had no effect in the other system."""
        return self.kind in {Kind.refused, Kind.unavailable, Kind.broken}

    @property
    def may_be_there(self) -> bool:
        """Tell whether a write that did not end well may have left something: it was made, and not as it was wanted."""
        stale = self.refusal is not None and self.refusal.code is Code.upstream_conflict_stale
        return self.kind is Kind.broken or (self.kind is Kind.refused and stale)

    def recorded(self) -> Any:  # noqa: ANN401 - plain data
        """Return it as the engine keeps it: a first run sees what a replay will see."""
        return msgspec.to_builtins(self)

    @classmethod
    def read(cls, recorded: Any) -> Self:  # noqa: ANN401 - plain data
        """Return what the engine has kept."""
        return msgspec.convert(recorded, cls)


class Unwound(BaseException):
    """Leaves a workflow function after an outcome was recorded; its wrapper catches it.

    Not an Exception: no `except` of a workflow's own may stop it.
    """

    def __init__(self, step: str, key: str | None, outcome: Outcome) -> None:
        super().__init__(step)
        self.step, self.key, self.outcome = step, key, outcome
        self.after_pivot = False
        self.resume_at: int | None = None


class Parked(Exception):
    """Ends the engine's workflow, so that it can be taken up again where it was refused."""
