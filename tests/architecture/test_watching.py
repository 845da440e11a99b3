"""The dashboard and the alert rules: whatever they ask for parses, and is something that the code can say."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gateway.telemetry.catalogue import HELP, LABELS
from gateway.telemetry.metrics import MONITORS
from tests.promql import OF_PROMETHEUS, OF_SCRAPES, Asked, asked_by, labels_of, metrics_in

ROOT = Path(__file__).parents[2]
FILES = ROOT / "helm" / "tiebeam" / "files"
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
GROUPS: dict[str, list[dict[str, Any]]] = {
    group["name"]: group["rules"] for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
}
RULES = [rule for rules in GROUPS.values() for rule in rules]
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
SHOWN = [target["expr"] for target in TARGETS]
WATCH = (ROOT / "docs" / "operations" / "watch.md").read_text()
NAME = re.compile(r'"(tiebeam_[a-z_]+)"')
NO_METRICS = {"tiebeam_json"}
"""Other names of ours that begin alike."""


class Told(NamedTuple):
    """A text that is filled in from the labels of an expression's answer."""

    text: str
    labels: frozenset[str]
    expression: str


TOLD = [
    *(
        Told(str(text), frozenset(re.findall(r"\$labels\.(\w+)", str(text))), rule["expr"])
        for rule in RULES
        for text in rule["annotations"].values()
    ),
    *(
        Told(target["legendFormat"], frozenset(re.findall(r"{{(\w+)}}", target["legendFormat"])), target["expr"])
        for target in TARGETS
    ),
]


@pytest.mark.parametrize("expression", [*SHOWN, *(rule["expr"] for rule in RULES)])
def test_expression_parses_and_asks_for_what_there_is(expression: str) -> None:
    asked = asked_by(expression)

    assert asked, expression
    for metric, labels in asked:
        assert metric in HELP.keys() | OF_PROMETHEUS, metric
        assert labels <= OF_SCRAPES | {*LABELS.get(metric, ())}, metric


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.text)
def test_text_names_only_labels_that_the_answer_has(told: Told) -> None:
    given = labels_of(told.expression)

    assert told.labels <= (OF_SCRAPES if given is None else given)


def test_label_in_the_middle_of_an_expression_is_found() -> None:
    asked = asked_by('sum by (a) (rate(x{b="1", c=~"2"}[5m])) / on (a) group_left () max by (a, d) (y)')

    assert asked == [Asked("x", frozenset("abc")), Asked("y", frozenset("ad"))]
    assert labels_of("(sum by (a) (x) and on (a) y) > 1") == frozenset("a")
    assert labels_of("1 < rate(x[5m])") is None


def test_metric_in_the_middle_of_an_expression_is_found() -> None:
    asked = metrics_in("sum by (a) (rate(x_total[5m])) / (max(y) - ((z unless z offset 1m) or increase(w[1m]))) > 1.3")

    assert asked == {"x_total", "y", "z", "w"}


def test_every_monitor_has_a_panel_and_an_alert() -> None:
    assert {*MONITORS} <= {name for expression in SHOWN for name in metrics_in(expression)}
    assert {*MONITORS} <= {name for rule in RULES for name in metrics_in(rule["expr"])}


def test_alert_about_money_says_whose_it_is_and_where_to_look() -> None:
    for rule in GROUPS["tiebeam-money"]:
        assert {"summary", "owner", "link"} <= rule["annotations"].keys(), rule["alert"]
    assert all({"summary", "owner"} <= rule["annotations"].keys() for rule in GROUPS["tiebeam-technical"])


def test_alerts_have_names_of_their_own_and_panels_too() -> None:
    alerts, panels = [rule["alert"] for rule in RULES], [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(alerts) == len({*alerts})
    assert len(panels) == len({*panels})


def test_every_metric_of_the_code_is_in_the_catalogue_and_no_other() -> None:
    sources = [
        path for package in ("gateway", "process_apis", "system_apis") for path in (ROOT / package).rglob("*.py")
    ]
    others = [path for path in sources if path.name != "catalogue.py"]

    assert {name for path in others for name in NAME.findall(path.read_text())} - NO_METRICS == set(HELP)


def test_every_alert_has_a_row_that_says_what_to_do() -> None:
    rows = re.findall(r"^\| `(Tiebeam\w+)` \| (.+) \|$", WATCH, re.MULTILINE)

    assert [name for name, _ in rows] == [rule["alert"] for rule in RULES]


def test_what_is_written_of_metrics_names_them_as_the_catalogue_does() -> None:
    written = re.findall(r"`(tiebeam_[a-z_]+)(?:{([a-z_,]+)})?`", WATCH)

    assert {name for name, _ in written} <= HELP.keys()
    assert {(name, labels) for name, labels in written if labels} == {
        (name, ",".join(labels)) for name, labels in LABELS.items()
    }
