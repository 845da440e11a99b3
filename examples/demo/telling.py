"""How the story looks in the terminal."""

import os
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}
STARTED = time.monotonic()


def paint(text: str, *styles: str) -> str:
    """Return the text in colour, where the terminal has any."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{';'.join(COLOURS[style] for style in styles)}m{text}\x1b[0m"


def chapter(number: int, title: str, purpose: str) -> None:
    """Open a chapter."""
    print(f"\n{paint(f'{number}. {title}', 'bold', 'blue')}\n{paint(purpose, 'dim')}")


def say(text: str) -> None:
    """Say a sentence of the story."""
    print(f"   {text}")


def sent(method: str, path: str, status: int, seconds: float) -> None:
    """Show a call of the CRM and what came back."""
    colour = "green" if status < HTTPStatus.BAD_REQUEST else "yellow"
    print(f"   {paint('→', 'bold')} {method} {path}  {paint(str(status), colour)}  {seconds * 1000:.0f} ms")


def step(name: str, state: str, system: str | None, external_id: str | None, seconds: float | None) -> None:
    """Show a step of the process as it ends."""
    marks = {"done": ("✓", "green"), "skipped": ("-", "dim"), "refused": ("✗", "red"), "in_doubt": ("?", "yellow")}
    mark, colour = marks.get(state, ("·", "dim"))
    where = f"{system}{f' #{external_id}' if external_id else ''}" if system else ""
    took = f"{seconds:.2f} s" if seconds is not None else ""
    print(f"     {paint(mark, colour)} {name:<30} {state:<9} {where:<16} {took:>7}")


def progress(text: str) -> None:
    """Show what takes a moment, on standard error."""
    print(paint(f"[{time.monotonic() - STARTED:5.1f} s] {text}", "dim"), file=sys.stderr, flush=True)


def verdict(name: str, expected: object, found: object) -> bool:
    """Show whether what a system's own books say is what was computed by hand."""
    equal = expected == found
    mark = paint("✓", "green") if equal else paint("✗", "red")
    print(f"     {mark} {name}: {plain(found)}" + ("" if equal else f"  expected {plain(expected)}"))
    return equal


def plain(value: object) -> str:
    """Return what was found as people write it: fields apart by commas, records by semicolons."""
    if not isinstance(value, list | tuple):
        return "none" if value is None else str(value)
    records = any(isinstance(one, tuple) for one in value)
    return ("; " if records else ", ").join(plain(one) for one in value) or "none"


def summary(outcomes: Mapping[str, bool], *, well: str, ill: str) -> bool:
    """Show which chapters went as they should, and a last word; return whether all did."""
    print()
    for name, one in outcomes.items():
        say(f"{paint('✓', 'green') if one else paint('✗', 'red')} {name}")
    held = all(outcomes.values())
    print(f"\n{paint(well, 'bold', 'green') if held else paint(ill, 'bold', 'red')}")
    return held
