"""Keeps what finished runs recorded, as histories by which later releases show that they can follow what is under way.

`pytest -p tests.workflows.recording --histories FOLDER tests/workflows/…`, in the tree of the release, writes one file
for each way that a run of a workflow took in these tests; the shortest few of each workflow. A way that is kept of an
earlier release, in a folder beside, is not kept again, unless what was recorded on it looks otherwise now.
"""

import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, text

from gateway.durable import Worker
from process_apis import WORKFLOWS

MOST: Final = 12
"""Of one workflow."""
RUNS: Final = (
    "SELECT workflow_uuid, name, status, i.inputs FROM {0}workflow_status JOIN {0}workflow_input i"
    " USING (workflow_uuid) WHERE status IN ('SUCCESS', 'ERROR')"
)
STEPS: Final = "SELECT workflow_uuid, function_id, function_name, output FROM {0}operation_outputs ORDER BY function_id"
WORD: Final = re.compile("[a-z_.]+")
"""A state, a code or a name; an id has digits."""
_found: dict[tuple[str, ...], dict[str, Any]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the folder be said."""
    parser.addoption("--histories", type=Path)


@pytest.fixture(autouse=True, scope="session")
def _recording() -> Iterable[None]:
    """Read what is recorded whenever a worker ends."""
    plain = Worker.started

    @asynccontextmanager
    async def started(self: Worker) -> AsyncIterator[Any]:
        async with plain(self) as engine:
            yield engine
        async with self._store.begin() as connection:
            await connection.run_sync(_read)

    Worker.started = started  # type: ignore[method-assign]  # in this process only
    yield
    Worker.started = plain  # type: ignore[method-assign]  # as above


def _read(connection: Connection) -> None:
    schema = "" if connection.dialect.name == "sqlite" else "dbos."
    steps: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run, _, name, output in connection.execute(text(STEPS.format(schema))):
        steps[run].append({"step": name, "recorded": json.loads(output) if output else None})
    names = {workflow.name for workflow in WORKFLOWS.values()}
    for run, name, status, inputs in connection.execute(text(RUNS.format(schema))):
        if name in names and steps[run]:
            way = (name, status, *(step["step"] for step in steps[run]))
            told = {"workflow": name, "ended": status, "inputs": json.loads(inputs)["args"], "steps": steps[run]}
            _found.setdefault(way, told)


def shape_of(told: dict[str, Any]) -> tuple[Any, ...]:
    """Return what two histories have in common where one of them is enough."""
    steps = tuple((step["step"], _shape(step["recorded"])) for step in told["steps"])
    return told["workflow"], told["ended"], _shape(told["inputs"]), steps


def _shape(value: Any) -> Any:  # noqa: ANN401 - as it is recorded
    """Return the fields and their types, and of what is said in words the words."""
    match value:
        case dict():
            fields = {(key if WORD.fullmatch(key) else "", _shape(one)) for key, one in value.items()}
            return tuple(sorted(fields, key=repr))
        case list():
            return tuple(sorted({_shape(one) for one in value}, key=repr))
        case str() if value.startswith("{"):
            return _shape(json.loads(value))
        case str() if WORD.fullmatch(value):
            return value
    return type(value).__name__


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the files."""
    folder: Path | None = session.config.getoption("--histories")
    if folder is None:
        return
    beside = {
        shape_of(json.loads(file.read_text())) for file in folder.parent.glob("*/*.json") if file.parent != folder
    }
    folder.mkdir(parents=True, exist_ok=True)
    kept: defaultdict[str, int] = defaultdict(int)
    for way in sorted(_found, key=lambda one: (len(one), one)):
        name, told = way[0], _found[way]
        kept[name] += 1
        if kept[name] <= MOST and shape_of(told) not in beside:
            text_of = json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True)
            (folder / f"{name}-{kept[name]:02}.json").write_text(f"{text_of}\n")
