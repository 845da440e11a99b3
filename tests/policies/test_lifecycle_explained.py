"""What the life of a version decides is explained as it happens, with the file that says it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from gateway.edge import Edge
from gateway.edge.explaining import Asked, Explainer, Explanation
from gateway.lifecycle.document import FILE, SHIPPED, BrownOut, Extension, FieldRetirement, Retirement
from gateway.lifecycle.overlay import Changes
from gateway.policy.explain import BEFORE, Decision
from gateway.store import usage
from openapi.common.types import Code
from tests.edge_lifecycle import DEPRECATED, NOW, STATUSES, SUNSET, Life
from tests.edge_world import STATUS, World, open_edge_store
from tests.fakes.clock import Clock

OWN: Final = Retirement(deprecated_at=DEPRECATED, sunset_at=NOW, instead="Ask for another.")
ANNOUNCED: Final = Retirement(deprecated_at=DEPRECATED - timedelta(days=1), instead="Ask for another.")
OFF: Final = BrownOut(since=NOW, until=NOW + timedelta(hours=1))
LATE: Final = Extension(client_id="crm", until=SUNSET + timedelta(days=1), reason="Late.")
FRESH: Final = FieldRetirement(
    operation="get_project_status", place="query", pointer="fresh", deprecated_at=DEPRECATED, sunset_at=NOW, instead="."
)
SHOWN: Final = FieldRetirement(
    operation="get_project_status", place="response", pointer="/number", deprecated_at=DEPRECATED, instead="."
)
NONE: Final[dict[str, Any]] = {"deprecated_at": None, "sunset_at": None}
UNTIL: Final = "process/status/v1 is deprecated from 2026-10-25T09:00:00Z on and ends at 2026-11-25T09:00:00Z."
CASES: Final[list[tuple[dict[str, Any], Code | None, str, str]]] = [
    ({}, None, "sunset_at", UNTIL),
    ({"sunset_at": None}, None, "deprecated_at", "is deprecated from 2026-10-25T09:00:00Z on."),
    ({"extensions": (LATE,)}, None, "extensions", "ends at 2026-11-26T09:00:00Z for crm, by its extension."),
    ({"operations": {"get_project_status": ANNOUNCED}}, None, "operations", "from 2026-10-24T09:00:00Z on"),
    (NONE | {"fields": (SHOWN,)}, None, "fields", "Fields of it are to go: /number."),
    ({"sunset_at": NOW}, Code.version_sunset, "sunset_at", "ended at 2026-11-24T09:00:00Z."),
    ({"brown_outs": (OFF,)}, Code.version_brown_out, "brown_outs", "is off until 2026-11-24T10:00:00Z"),
    ({"operations": {"get_project_status": OWN}}, Code.version_sunset, "operations", "Ask for another."),
    (NONE | {"fields": (FRESH,)}, Code.version_sunset, "fields", "Send it without what `errors` names"),
]


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    yield Life(World(tmp_path, store, clock))
    await store.close()


async def explained(life: Life, target: str, method: str = "GET", **limits: Any) -> Explanation:  # noqa: ANN401 - fields of a grant.
    """Return the explanation, which ends as the very call does."""
    token = life.world.token(**limits)
    told = await Explainer(life.world.edge).explain(Asked(method=method, target=target, token=token))
    reply = await life.world.send(method, target, token=token)
    assert told.outcome.status == (reply.status if reply.status >= 400 else None)
    assert told.outcome.code == reply.code
    assert reply.code is None or reply.json["detail"] == told.outcome.detail
    return told


def of_life(told: Explanation) -> Decision:
    """Return what the life of the version decides."""
    (decision,) = [decision for decision in told.decisions if decision.kind == "lifecycle"]
    return decision


@pytest.mark.parametrize("file", [FILE, SHIPPED])
@pytest.mark.parametrize(("fields", "code", "field", "why"), CASES)
async def test_decision_says_why_and_which_file_sets_it(
    life: Life, fields: dict[str, Any], code: Code | None, field: str, why: str, file: str
) -> None:
    life.goes(**fields)
    own = {STATUSES: Changes(**{field: getattr(life.version, field)})} if file == FILE else {}
    policies = structs.replace(life.world.edge.policies, changes=own)
    life.world.edge = Edge(life.world.framework, policies, life.world.edge.kit, clock=life.world.seconds)

    told = await explained(life, f"{STATUS}?fresh=true")
    decision = of_life(told)

    assert told.outcome.code == code
    assert (decision.decides, decision.file) == ("refuses" if code else "admits", file)
    assert why in decision.why


async def test_life_is_decided_after_limits_and_before_what_is_kept(life: Life) -> None:
    life.goes(sunset_at=NOW)

    told = await explained(life, STATUS)

    assert [(one.kind, one.decides) for one in told.decisions] == [
        ("audit", "passes"),
        ("authenticate", "admits"),
        ("consumer", "admits"),
        ("authorize", "admits"),
        ("rate_limit", "counts"),
        ("lifecycle", "refuses"),
        ("cache", "not_reached"),
    ]


async def test_life_decides_nothing_of_a_call_that_is_refused_before(life: Life) -> None:
    life.goes(sunset_at=NOW)

    forbidden = await explained(life, STATUS, scopes=())
    for _ in range(100):
        await life.get()
    limited = await explained(life, STATUS)

    assert (forbidden.outcome.code, limited.outcome.code) == (Code.auth_scope_missing, Code.rate_limited)
    assert [of_life(told).why for told in (forbidden, limited)] == [BEFORE, BEFORE]


async def test_who_cannot_be_looked_up_is_explained_so(life: Life) -> None:
    life.known.at_once, life.known.away = False, True
    life.goes()

    told = await explained(life, STATUS)

    assert (told.outcome.status, of_life(told).decides) == (503, "refuses")


async def test_life_is_decided_last_where_nothing_is_kept(life: Life) -> None:
    life.goes("system/erp/v1", sunset_at=NOW)

    told = await explained(life, "/system/books/erp/v1/customers", "POST")

    assert [one.kind for one in told.decisions][-1] == "lifecycle"


async def test_what_is_open_or_served_no_more_ends_as_it_is_explained(life: Life) -> None:
    life.goes(gone={"/process/old/v1": (STATUSES, None)})
    before = await explained(life, "/process/status/v1/about")
    life.goes(sunset_at=NOW, gone={"/process/old/v1": (STATUSES, None)})
    after = await explained(life, "/process/status/v1/about")
    lost = await explained(life, "/process/old/v1/things")

    assert (before.outcome.code, after.outcome.code) == (None, Code.version_sunset)
    assert (lost.outcome.code, lost.operation) == (Code.version_sunset, "unmatched")


async def test_who_only_asks_about_what_is_served_no_more_does_not_call_it(life: Life) -> None:
    life.goes(sunset_at=NOW, gone={"/process/old/v1": (STATUSES, None)})
    target, token = "/process/old/v1/things", life.world.token()

    told = await Explainer(life.world.edge).explain(Asked(method="GET", target=target, token=token))
    await life.world.kit.usage.flush()
    explained_only = await usage.listing(life.world.store, contracts=[STATUSES])
    await life.get(target)
    await life.world.kit.usage.flush()
    called = await usage.listing(life.world.store, contracts=[STATUSES])

    assert told.outcome.code is Code.version_sunset
    assert (explained_only, [one.count for one in called]) == ([], [1])
