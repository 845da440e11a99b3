"""The dashboard as Grafana reads it: fields that it knows, a data source to choose, panels beside each other.

The structs have the fields of Grafana's own schema (kinds/dashboard, and the panel `timeseries`) that ours uses.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

FILE: Final = Path(__file__).parents[2] / "helm" / "tiebeam" / "files" / "dashboard.json"
COLUMNS: Final = 24


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the dashboard; Grafana ignores a field that it does not know, so a misspelt one would do nothing."""


class Place(Strict, frozen=True, kw_only=True):
    """Where a panel stands, in columns and rows."""

    h: Annotated[int, Meta(ge=1)]
    w: Annotated[int, Meta(ge=1, le=COLUMNS)]
    x: Annotated[int, Meta(ge=0, lt=COLUMNS)]
    y: Annotated[int, Meta(ge=0)]

    def cells(self) -> Iterator[tuple[int, int]]:
        """Yield what the panel takes."""
        return itertools.product(range(self.x, self.x + self.w), range(self.y, self.y + self.h))


class Source(Strict, frozen=True, kw_only=True):
    """Where the figures come from: whichever Prometheus was chosen above the panels."""

    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class Target(Strict, frozen=True, kw_only=True):
    """One question."""

    ref_id: Annotated[str, Meta(pattern="^[A-Z]$")]
    expr: str
    legend_format: str


class Defaults(Strict, frozen=True, kw_only=True):
    """How its figures are shown."""

    unit: Literal["short", "s", "reqps", "percentunit"]
    min: int | None = None


class FieldConfig(Strict, frozen=True, kw_only=True):
    """How figures are shown, and exceptions: there are none."""

    defaults: Defaults
    overrides: Annotated[list[None], Meta(max_length=0)]


class Series(Strict, frozen=True, kw_only=True, tag="timeseries"):
    """A panel of lines."""

    id: int
    title: Annotated[str, Meta(min_length=1)]
    datasource: Source
    grid_pos: Place
    field_config: FieldConfig
    targets: Annotated[list[Target], Meta(min_length=1)]


class Row(Strict, frozen=True, kw_only=True, tag="row"):
    """A heading. It is open, so that the panels below it are the dashboard's own."""

    id: int
    title: Annotated[str, Meta(min_length=1)]
    collapsed: bool
    grid_pos: Place
    panels: Annotated[list[None], Meta(max_length=0)]


class Variable(Strict, frozen=True, kw_only=True):
    """What can be chosen above the panels."""

    name: Literal["datasource"]
    type: Literal["datasource"]
    query: Literal["prometheus"]
    label: str


class Variables(Strict, frozen=True, kw_only=True):
    """What can be chosen."""

    list: Annotated[list[Variable], Meta(min_length=1, max_length=1)]


class Annotations(Strict, frozen=True, kw_only=True):
    """What is drawn across the panels: nothing."""

    list: Annotated[list[None], Meta(max_length=0)]


class Span(Strict, frozen=True, kw_only=True):
    """The time that is shown at first."""

    since: str = msgspec.field(name="from")
    to: str


class Dashboard(Strict, frozen=True, kw_only=True):
    """All of it."""

    uid: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,40}$")]
    title: str
    tags: list[str]
    timezone: Literal["utc"]
    schema_version: Annotated[int, Meta(ge=36, le=41)]
    """36 is Grafana 9's; from 42 on panels are written otherwise."""
    version: int
    editable: bool
    refresh: str
    time: Span
    templating: Variables
    annotations: Annotations
    panels: list[Series | Row]


@pytest.fixture(scope="module")
def dashboard() -> Dashboard:
    """Return the one that ships; raises ValidationError with the place of what Grafana does not know."""
    return msgspec.json.decode(FILE.read_bytes(), type=Dashboard)


def test_panels_stand_beside_each_other_and_within_the_page(dashboard: Dashboard) -> None:
    cells = [cell for panel in dashboard.panels for cell in panel.grid_pos.cells()]

    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < COLUMNS


def test_every_row_has_panels_and_they_leave_no_gap(dashboard: Dashboard) -> None:
    rows = [panel for panel in dashboard.panels if isinstance(panel, Row)]
    lines = {line for panel in dashboard.panels for _, line in panel.grid_pos.cells()}

    assert [(row.grid_pos.w, row.collapsed) for row in rows] == [(COLUMNS, False)] * len(rows)
    assert lines == set(range(len(lines)))
    assert isinstance(dashboard.panels[-1], Series)
    for panel, following in itertools.pairwise(dashboard.panels):
        assert not (isinstance(panel, Row) and isinstance(following, Row)), panel.title


def test_panels_have_ids_and_questions_letters_of_their_own(dashboard: Dashboard) -> None:
    ids = [panel.id for panel in dashboard.panels]

    assert len(ids) == len(set(ids))
    for panel in dashboard.panels:
        letters = [target.ref_id for target in panel.targets] if isinstance(panel, Series) else []
        assert len(letters) == len(set(letters)), panel.title


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"schemaVersion":', b'"schemaversion":'),
        (b'"uid": "${datasource}"', b'"uid": "prometheus"'),
        (b'"legendFormat":', b'"legend":'),
        (b'"unit": "reqps"', b'"unit": "calls"'),
        (b'"type": "timeseries"', b'"type": "graph"'),
    ],
)
def test_what_grafana_would_not_know_is_found(good: bytes, bad: bytes) -> None:
    text = FILE.read_bytes()
    assert good in text

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text.replace(good, bad, 1), type=Dashboard)
