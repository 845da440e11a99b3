"""What a connection goes by for a while: ids of what people set up once. Never a document, and never a state."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

LASTS_S: Final = 300.0
"""As long as Tryton's own clients go by the defaults that they have asked for."""


class Known:
    """Answers about countries, payment terms, companies, statuses, people: each by its kind and its name.

    Only what was found is kept: so what somebody adds is seen at once, and there is never more of it than Tryton has.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: dict[tuple[str, str], tuple[float, Any]] = {}

    async def get(self, kind: str, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what is known, or what is answered now; a refusal is not kept."""
        now = self._clock()
        asked_at, known = self._answers.get((kind, name), (now - LASTS_S, None))
        if now - asked_at < LASTS_S:
            return known  # type: ignore[no-any-return]  # this question was answered with it
        answer = await ask()
        self._answers[kind, name] = now, answer
        return answer

    def forget(self) -> None:
        """Ask everything anew, since something that was known does not hold any more, or may not."""
        self._answers.clear()
