"""The arithmetic of a bucket. Pure; a place that counts by itself (SQL, Lua) repeats the one line in its own words."""

import math

from gateway.counters import Draw


def take(tat: float, now: float, rate: float, burst: float, cost: float) -> tuple[float, Draw]:
    """Return the bucket's next arrival time and what became of the take; a refusal leaves the time as it was."""
    full = burst / rate
    taken = max(tat, now) + cost / rate
    wait = taken - full - now
    if wait > 0:
        return tat, drawn(tat, now, rate, burst, wait)
    return taken, drawn(taken, now, rate, burst, 0.0)


def drawn(tat: float, now: float, rate: float, burst: float, wait_s: float) -> Draw:
    """Return the state of a bucket in words that headers can use."""
    used_s = max(tat - now, 0.0)
    left = math.floor(burst - used_s * rate + 1e-6)  # 1e-6: seconds are binary, permits are whole.
    return Draw(wait_s=wait_s, left=max(left, 0), full_in_s=used_s)
