"""The dashboard and the alert rules: whatever they ask for parses, and is something that the code can say."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from gateway.telemetry.catalogue import HELP
from gateway.telemetry.metrics import MONITORS

ROOT = Path(__file__).parents[2]
FILES = ROOT / "helm" / "tiebeam" / "files"
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
GROUPS: dict[str, list[dict[str, Any]]] = {
    group["name"]: group["rules"] for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
}
RULES = [rule for rules in GROUPS.values() for rule in rules]
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
OF_PROMETHEUS = {"up"}
NAME = re.compile(r'"(tiebeam_[a-z_]+)"')
NO_METRICS = {"tiebeam_json"}
"""Other names of ours that begin alike."""


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that an expression asks for; raises ValueError where it does not parse."""
    return set(_names(promql_parser.parse(expression)))


def _names(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of an expression
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name)
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, part, None)
        if inner is not None:
            yield from _names(inner)
    for argument in getattr(node, "args", None) or ():
        yield from _names(argument)


@pytest.mark.parametrize("expression", [*SHOWN, *(rule["expr"] for rule in RULES)])
def test_expression_parses_and_asks_for_what_there_is(expression: str) -> None:
    asked = metrics_in(expression)

    assert asked, expression
    assert asked <= HELP.keys() | OF_PROMETHEUS


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
