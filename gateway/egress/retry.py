"""Whether a call is made again, and when. Pure."""

from typing import Final

from gateway.egress.terms import Patience
from gateway.egress.verdict import Failure

FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0


def pause_s(
    failure: Failure, patience: Patience, *, write: bool, failed: int, left_s: float, fraction: float
) -> float | None:
    """Return how long to wait before the next try, or None where there is none.

    `failed` tries are behind us, `fraction` is a random number of [0, 1): full jitter, so that callers who failed
    together do not come back together. What certainly had no effect waits as long as there is time, writes too.
    """
    if not failure.again or (write and not failure.no_effect):
        return None
    if not failure.no_effect and failed > patience.read_retries:
        return None
    wait_s = failure.retry_after_s
    if wait_s is None:
        wait_s = fraction * min(LONGEST_S, FIRST_S * 2**failed)
    return wait_s if wait_s < left_s else None
