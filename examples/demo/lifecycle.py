"""`make demo CHAPTER=lifecycle`: a contract cannot break; a version goes, to the second; policies are tried first.

Everything runs in real time: the sunset lies a minute ahead, and whoever watches sees it pass.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import yaml

import openapi
from examples.demo.commands import show, tiebeam
from examples.demo.crm import Crm
from examples.demo.stage import HOME, TIEBEAM, installation, serving, token
from examples.demo.telling import chapter, paint, progress, say, summary, verdict

V1: Final = "process/billing_holds/v1"
HOLDS: Final = "/process/billing-holds/v1/holds"
V2: Final = "/process/billing-holds/v2"
NEWER: Final = f"{V2}/holds"
NOBODY: Final = {"base_url": "http://127.0.0.1:9", "password": "nobody asks"}
"""In place of a real ERP: nothing of this chapter asks one."""
SUNSET_S: Final = 60
BROWN_OUT_S: Final = (20, 26)
COMMAND_S: Final = 6.0
"""How long a command takes at most on a machine that has time; where it takes longer, everything comes later."""
SHOWN: Final = ("deprecation", "sunset", "link", "retry-after")
LOOK_EVERY_S: Final = 0.02
FOLLOWS_WITHIN_S: Final = 0.5
TIGHT: Final = """\
policies:
  - kind: consumer
    client_id: crm-legacy
    owner: Sales Systems
    scopes: ["status:read"]
"""


class Stage(NamedTuple):
    """Who plays: the gateway's operator with the installation, and two clients of holds."""

    config: Path
    operator: Crm
    legacy: str
    """Token of a client that has called version 1 for long."""
    newcomer: str

    @property
    def policies(self) -> Path:
        """Return the installation's policy files."""
        return self.config.parent / "policies"


class Course(NamedTuple):
    """When version 1 goes."""

    begins: datetime
    pace: float
    """How many times longer everything takes than on a machine that has time, at least 1."""

    @property
    def sunset(self) -> datetime:
        """Return the second from which it is gone."""
        return self.after(SUNSET_S)

    @property
    def brown_out(self) -> tuple[datetime, datetime]:
        """Return from when and until when it answers as it will once it is gone."""
        since, until = BROWN_OUT_S
        return self.after(since), self.after(until)

    def after(self, seconds: float) -> datetime:
        """Return the instant so many seconds after the beginning, or more at a slower pace; in whole seconds."""
        return self.begins + timedelta(seconds=round(seconds * self.pace))

    def written(self, **more: object) -> str:
        """Return the file that sets it."""
        since, until = self.brown_out
        said = {
            "deprecated_at": self.begins,
            "sunset_at": self.sunset,
            "brown_outs": [{"from": since, "until": until}],
            **more,
        }
        return yaml.safe_dump({V1: said}, sort_keys=False)


def play(*, verbose: bool) -> bool:
    """Return whether every chapter showed what it should."""
    with _stage(verbose=verbose) as stage:
        began = time.monotonic()
        outcomes = {"a breaking contract": a_breaking_contract()}
        course, outcomes["a version goes"] = a_version_goes(
            stage, pace=max(1.0, (time.monotonic() - began) / COMMAND_S)
        )
        outcomes |= {
            "a brown-out": a_brown_out(stage, course),
            "the sunset": the_sunset(stage, course),
            "an extension": an_extension(stage, course),
            "policies in shadow": policies_in_shadow(stage),
        }
    return summary(outcomes, well="Nothing went before its time.", ill="It did not go as announced.")


def a_breaking_contract() -> bool:
    """Show that a contract that was released and now breaks its callers stops the start."""
    chapter(1, "A breaking contract", "Somebody makes an optional field required, in a contract that is released.")
    with _broken_copy() as folder:
        command = [*TIEBEAM, "check", "--config", str((HOME / "installation" / "tiebeam.yaml").resolve())]
        say(paint("$ tiebeam check", "bold"))
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        ended = subprocess.run(  # noqa: S603 - our own
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    told = f"{ended.stdout}{ended.stderr}"
    show(told.strip())
    return verdict("refused, by name", (1, True), (ended.returncode, "reference" in told))


def a_version_goes(stage: Stage, *, pace: float) -> tuple[Course, bool]:
    """Show a version that is deprecated without a restart, and who is told of it where."""
    pace = max(1.0, pace)
    chapter(
        2, "A version goes", f"Holds v1 has a successor. A file says: deprecated now, gone in {SUNSET_S * pace:.0f} s."
    )
    before = _asked(stage, stage.legacy, HOLDS)
    course = Course(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1), pace)
    (stage.policies / "lifecycle.yaml").write_text(course.written())
    _reload(stage)
    _wait_until(course.begins)
    after = _asked(stage, stage.legacy, HOLDS)
    newcomer = _asked(stage, stage.newcomer, HOLDS)
    page = stage.operator.get("/docs/process/billing-holds/v1").text
    ends = f"{course.sunset:%Y-%m-%dT%H:%M:%SZ}"
    report = tiebeam(stage.config, "lifecycle")
    show(report)
    well = all(
        [
            verdict("before", (200, None), (before.status_code, before.headers.get("deprecation"))),
            verdict("a Deprecation", f"@{course.begins.timestamp():.0f}", after.headers.get("deprecation")),
            verdict("a Sunset", f"{course.sunset:%a, %d %b %Y %H:%M:%S} GMT", after.headers.get("sunset")),
            verdict("a client that never called it", (403, "version.closed_to_new"), _told(newcomer)),
            verdict("the page says when it goes", [ends], [*{ends} & set(re.findall(r'datetime="([^"]+)"', page))]),
            verdict("the report names who still calls", ["crm-legacy"], re.findall(r"crm-legacy", report)[:1]),
        ]
    )
    return course, well


def a_brown_out(stage: Stage, course: Course) -> bool:
    """Show the time before its sunset in which it answers as it will after it."""
    since, until = course.brown_out
    ahead = (since - course.begins).total_seconds()
    chapter(3, "A brown-out", f"Announced for {ahead:.0f} s after that, for some seconds: who has not moved notices.")
    _wait_until(since)
    during = _asked(stage, stage.legacy, HOLDS)
    newer = _asked(stage, stage.legacy, NEWER)
    _wait_until(until)
    after = _asked(stage, stage.legacy, HOLDS)
    return all(
        [
            verdict("during it", (410, "version.brown_out"), _told(during)),
            verdict("its successor", 200, newer.status_code),
            verdict("after it", 200, after.status_code),
        ]
    )


def the_sunset(stage: Stage, course: Course) -> bool:
    """Show the second in which the version goes: asked every few milliseconds around it."""
    left = (course.sunset - datetime.now(UTC)).total_seconds()
    chapter(4, "The sunset", f"In {left:.0f} s. It is asked every {LOOK_EVERY_S * 1000:.0f} ms around that second.")
    _wait_until(course.sunset - timedelta(seconds=1))
    last, first = course.begins, course.sunset + timedelta(seconds=2)
    while (asked := datetime.now(UTC)) < first:
        answer = stage.operator.ask_as(stage.legacy, "GET", HOLDS)
        if answer.status_code == httpx.codes.GONE:
            first = datetime.now(UTC)
        else:
            last = asked
        time.sleep(LOOK_EVERY_S)
    gone = _asked(stage, stage.legacy, HOLDS)
    return all(
        [
            verdict("last answered", "before it", "before it" if last < course.sunset else str(last)),
            verdict("first refused", "in that second", _second_of(first, course.sunset)),
            verdict("refused with", (410, "version.sunset"), _told(gone)),
            verdict("and told where to go", [V2], re.findall(V2, gone.headers.get("link", ""))[:1]),
        ]
    )


def an_extension(stage: Stage, course: Course) -> bool:
    """Show one client that may go on for an hour, and nobody else."""
    chapter(5, "An extension", "crm-legacy needs an hour more. It gets it by name; for everybody else nothing changes.")
    until = course.sunset + timedelta(hours=1)
    spared = {"client_id": "crm-legacy", "until": until, "reason": "Its release is tonight."}
    (stage.policies / "lifecycle.yaml").write_text(course.written(extensions=[spared]))
    _reload(stage)
    legacy, other = _asked(stage, stage.legacy, HOLDS), _asked(stage, stage.newcomer, HOLDS)
    return all(
        [
            verdict("crm-legacy", 200, legacy.status_code),
            verdict("until", f"{until:%a, %d %b %Y %H:%M:%S} GMT", legacy.headers.get("sunset")),
            verdict("everybody else", (410, "version.sunset"), _told(other)),
        ]
    )


def policies_in_shadow(stage: Stage) -> bool:
    """Show policies that are tried on real calls before they hold, made live, and taken back."""
    chapter(6, "Policies in shadow", "A row would narrow crm-legacy to status. First it only watches.")
    candidate = HOME / "candidate"
    shutil.copytree(stage.policies, candidate)
    (candidate / "50-own.yaml").write_text(TIGHT)
    show(tiebeam(stage.config, "policies", "shadow", str(candidate)))
    _heard(stage)
    watched = [_asked(stage, stage.legacy, NEWER).status_code for _ in range(3)]
    found = _differences(stage)
    show(found)
    show(tiebeam(stage.config, "policies", "promote"))
    _heard(stage)
    promoted = _asked(stage, stage.legacy, NEWER)
    say(tiebeam(stage.config, "policies", "rollback").splitlines()[-1])
    _heard(stage)
    back = _asked(stage, stage.legacy, NEWER)
    return all(
        [
            verdict("while it watches", [200, 200, 200], watched),
            verdict("a difference is counted", ["list_holds"], re.findall(r"(list_holds) .* 403", found)[:1]),
            verdict("promoted", (403, "auth.scope_missing"), _told(promoted)),
            verdict("rolled back", 200, back.status_code),
        ]
    )


@contextlib.contextmanager
def _stage(*, verbose: bool) -> Iterator[Stage]:
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    config = installation(HOME / "installation", NOBODY)
    progress("Starting the gateway …")
    with serving(config, None if verbose else HOME / "gateway.log") as url:
        operator = Crm(url, token(config))
        yield Stage(config, operator, token(config, "--client", "crm-legacy"), token(config, "--client", "newcomer"))
        operator.close()


@contextlib.contextmanager
def _broken_copy() -> Iterator[Path]:
    """Yield a folder whose `openapi` is ours, but for one field of a released contract that is required now."""
    folder = HOME / "broken"
    shutil.copytree(Path(openapi.__path__[0]), folder / "openapi")
    contract = folder / "openapi" / "process" / "billing_holds" / "v1.yaml"
    text = contract.read_text()
    broken = text.replace("required: [scope, reason_code]", "required: [scope, reason_code, reference]")
    if broken == text:
        raise RuntimeError("Nothing was broken.")
    contract.write_text(broken)
    yield folder


def _reload(stage: Stage) -> None:
    say(tiebeam(stage.config, "policies", "reload").splitlines()[-1])
    _heard(stage)


def _heard(stage: Stage) -> None:
    """Return when the process that serves works under what a command of another process has put in force.

    It hears of it with its next request, which ends under the set that it began with.
    """
    stage.operator.get(NEWER)
    time.sleep(FOLLOWS_WITHIN_S)


def _differences(stage: Stage) -> str:
    """Return what the operator is shown, once the calls were written down."""
    deadline = time.monotonic() + 20
    while "crm-legacy" not in (found := tiebeam(stage.config, "policies", "differences")):
        if time.monotonic() > deadline:
            return found
        time.sleep(1)
    return found


def _asked(stage: Stage, bearer: str, path: str) -> httpx.Response:
    """Return the answer to a client's call, shown with the header fields that tell of a version's life."""
    answer = stage.operator.call_as(bearer, "GET", path)
    for name in SHOWN:
        if name in answer.headers:
            say(paint(f"  {name}: {answer.headers[name]}", "dim"))
    return answer


def _told(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json().get("code")


def _second_of(instant: datetime, wanted: datetime) -> str:
    return "in that second" if instant.replace(microsecond=0) == wanted else str(instant)


def _wait_until(instant: datetime) -> None:
    time.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()))
