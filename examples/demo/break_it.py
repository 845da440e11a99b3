"""`make demo CHAPTER=break-it`: things break while an invoice is made, and Tryton's own books are read after each.

A chapter is about one kind of accident. It shows what callers see meanwhile, and returns whether all went as it should.
"""

import os
import signal
import threading
import time
from functools import partial
from typing import Any, Final, NamedTuple

from examples.demo.hazards import Hazards, hazards, invoices, ready_to_invoice, release
from examples.demo.money import HOLDS
from examples.demo.telling import chapter, paint, say, summary, verdict
from examples.servers.tcp_proxy import Call, Fault, Hook

CREATE: Final = b'"model.account.invoice.create"'
POST: Final = b'"model.account.invoice.post"'
SEARCH: Final = b"search_read"
AWAY_S: Final = 3.0

Document = dict[str, Any]


class Race(NamedTuple):
    """When a hold is placed: as the release asks Tryton for something, or as Tryton has done it; or just so."""

    name: str
    parts: tuple[bytes, ...] = ()
    done: bool = False


RACES: Final = (
    Race("as the customer is looked up", (b'"model.party.party.search_read"',)),
    Race("as the accounting period is looked up", (b'"model.account.period.search_read"',)),
    Race("as Tryton is asked whether it has the invoice", (b'"model.account.invoice.search_read"',)),
    Race("as the invoice is on its way to Tryton", (CREATE,)),
    Race("as Tryton has made the invoice and not said so", (CREATE,), done=True),
    Race("in the same moment as the release"),
)
PROJECTS: Final = 2 + len(RACES)


def play(*, verbose: bool) -> bool:
    """Return whether Tryton has one invoice after each accident, or none."""
    with hazards(verbose=verbose) as stage:
        first, second, *others = ready_to_invoice(stage, PROJECTS)
        outcomes = {
            "the worker killed": the_worker_killed(stage, first),
            "an answer lost": an_answer_lost(stage, second),
            "holds in a race": holds_in_a_race(stage, others),
        }
    return summary(outcomes, well="Nothing was made twice, and nothing was lost.", ill="It broke.")


def the_worker_killed(stage: Hazards, project: Document) -> bool:
    """Show a worker that dies twice after Tryton's effect, before the answer is kept."""
    chapter(1, "Kill the worker", "kill -9 once Tryton has made the invoice and once it has posted it, before we know.")
    for call in (CREATE, POST):
        stage.line.inject(None, call, on_effect=partial(_killed, stage))
    location = release(stage, project)
    (request,) = stage.look_until(location)["requests"]
    say(f"Worker {stage.worker} has taken over. The caller sees: {request['state']}, {_number(request)}.")
    return _one_invoice(stage, request)


def _killed(stage: Hazards, call: Call) -> None:
    what = "made" if CREATE in call.request else "posted"
    say(paint(f"Tryton has {what} it. kill -9 {stage.worker}: its answer meets nobody.", "yellow"))
    os.kill(stage.worker, signal.SIGKILL)


def an_answer_lost(stage: Hazards, project: Document) -> bool:
    """Show an answer that is lost on the wire while Tryton cannot be searched: nobody knows, and the caller is told."""
    chapter(2, "Lose an answer", f"Tryton makes the invoice, the line is cut, and for {AWAY_S:.0f} s it finds nothing.")
    stage.line.inject(Fault.lost_after, CREATE, on_call=partial(_unsearchable, stage))
    location = release(stage, project)
    doubted = _wait_for_doubt(stage, location)
    (request,) = stage.look_until(location)["requests"]
    looks = next(step["tries"] for step in request["steps"] if step["name"] == "create_invoice")
    say(f"It was looked for, {looks} times in all. The caller sees: {request['state']}, {_number(request)}.")
    return _one_invoice(stage, request) and doubted


def _unsearchable(stage: Hazards, _call: Call) -> None:
    rule = stage.line.inject(Fault.away, SEARCH, times=None)
    threading.Timer(AWAY_S, lambda: stage.line.lift(rule)).start()


def _wait_for_doubt(stage: Hazards, location: str) -> bool:
    """Tell whether the caller is told that nobody knows."""
    until = time.monotonic() + 2 * AWAY_S
    while time.monotonic() < until:
        (request,) = stage.caller.get(location).json()["requests"]
        if request["outcome"] == "uncertain":
            say(paint(f"The caller sees: {request['state']}, outcome {request['outcome']}.", "yellow"))
            return True
        time.sleep(0.05)
    say("The caller was told of no doubt.")
    return False


def holds_in_a_race(stage: Hazards, projects: list[Document]) -> bool:
    """Show holds that are placed while releases run: each is in time, or names the invoice that was there first."""
    chapter(3, "Race a hold against a release", "A hold is placed while the release runs, each time at another moment.")
    outcomes = [
        _raced(stage, *pair) for pair in zip(RACES, projects, strict=True)
    ]  # Each is shown, whatever the others.
    return all(outcomes)


def _raced(stage: Hazards, race: Race, project: Document) -> bool:
    placed: list[Document] = []
    place = partial(_place, stage, project, placed)
    if race.parts:
        hooks: dict[str, Hook] = {"on_effect" if race.done else "on_call": place}
        stage.line.inject(None, *race.parts, on_call=hooks.get("on_call"), on_effect=hooks.get("on_effect"))
        location = release(stage, project)
    else:
        placing = threading.Thread(target=place)
        placing.start()
        location = release(stage, project)
        placing.join()
    (request,) = stage.look_until(location)["requests"]
    hold = stage.look_until(f"{HOLDS}/{placed[0]['id']}", frozenset({"in_time", "too_late"}), of="outcome")
    found = invoices(stage, [request["business_key"]])
    return _told(race, request, hold, found)


def _place(stage: Hazards, project: Document, placed: list[Document], _call: Call | None = None) -> None:
    wanted = {"scope": {"type": "project", "id": project["id"]}, "reason_code": "dispute"}
    placed.append(stage.caller.create_quietly(HOLDS, wanted).raise_for_status().json())


def _told(race: Race, request: Document, hold: Document, found: list[tuple[str, str, str]]) -> bool:
    """Show how a race ended; return whether hold, request and Tryton agree."""
    numbers = [number for _, _, number in found]
    if hold["outcome"] == "in_time":
        fits = request["state"] == "held" and not found
        ended = "in time: the release is held, and Tryton has no invoice"
    else:
        named = [one["invoice_number"] for one in hold["requests"] if one["effect"] == "too_late"]
        fits = request["state"] == "posted" and named == numbers and len(numbers) == 1
        ended = f"too late: it names invoice {', '.join(map(str, named))}, and Tryton has {', '.join(numbers)}"
    mark = paint("✓", "green") if fits else paint("✗", "red")
    say(f"{mark} {race.name}: {ended}.")
    if not fits:
        say(f"  The release says {request['state']}, the hold {hold['outcome']}; Tryton has {found}.")
    return fits


def _one_invoice(stage: Hazards, request: Document) -> bool:
    """Show what Tryton has, and how often it was asked to make it; return whether both are one."""
    key, number = request["business_key"], (request["invoice"] or {}).get("number")
    sent = stage.line.calls(CREATE, f'"{key}"'.encode())
    moves = stage.erp.find("account.move", [["description", "=", f"{key}_rel"]], "state")
    return all(
        [
            verdict("Tryton's invoices with the key", [(key, "posted", number)], invoices(stage, [key])),
            verdict("its releases of accrued income", ["posted"], [move["state"] for move in moves]),
            verdict("times that it was asked to make the invoice", 1, len(sent)),
        ]
    )


def _number(request: Document) -> str:
    invoice = request["invoice"] or {}
    return f"invoice {invoice.get('number')}"
