"""What the chart makes for the Prometheus operator is what its API server would take, unknown fields refused."""

import copy
import re
from functools import cache
from importlib import import_module
from typing import Any, Final

import jsonschema_rs
import pytest

from tests.chart import CHART, Object, of_kind, pod, rendered, values

KINDS: Final = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
SCRAPERS: Final = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
TOKEN: Final = {"secret": "metrics", "key": "token"}
ALL: Final = {"scrape": True, "rules": True, "dashboard": False, "token": TOKEN}
ASKING: Final = (CHART / "files" / "alerts.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def schemas() -> dict[str, Object]:
    """Return the schema of each kind as the operator's resource definition has it, and nothing else let through."""
    # Imported here: the module has every kind, and takes seconds that only these tests should wait for.
    models = import_module("cloudcoil.models.prometheus_operator.v1")
    return {kind: closed(getattr(models, kind).model_json_schema(by_alias=True)) for kind in KINDS}


def closed(schema: Object) -> Object:
    """Return the schema of objects that have the fields that it names, and no others, as `kubectl` is strict."""
    narrowed = copy.deepcopy(schema)
    for part in (narrowed, *narrowed["$defs"].values()):
        if "properties" in part:
            part["additionalProperties"] = False
    narrowed["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return narrowed


def faults(document: Object, schemas: dict[str, Object]) -> list[str]:
    """Return what the API server would say against the document."""
    validator = jsonschema_rs.Draft202012Validator(schemas[document["kind"]])
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(document)]


def made(profile: str, kind: str) -> Object:
    """Return the one object of the kind that the chart makes."""
    (found,) = of_kind(all_of(profile), kind)
    return copy.deepcopy(found)


@cache
def all_of(profile: str) -> list[Object]:
    """Return everything that the chart makes where it is asked for all."""
    return rendered(values(profile, monitoring=ALL, networkPolicy__monitoring=SCRAPERS))


@pytest.mark.parametrize("profile", ["service", "embedded"])
def test_every_object_for_the_operator_is_one_that_it_knows(profile: str, schemas: dict[str, Object]) -> None:
    for kind in KINDS:
        assert faults(made(profile, kind), schemas) == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ServiceMonitor", ("spec", "endpoints", 0, "pth"), "/metrics"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "interval"), "30 seconds"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "authorization", "credentials"), {"secret": "metrics"}),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "port"), {"name": "metrics"}),
        ("PodMonitor", ("spec", "endpoints"), []),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "labels"), "warning"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "sumary"), "Misspelt."),
        ("PrometheusRule", ("spec", "groups", 0, "name"), None),
    ],
)
def test_object_that_the_operator_would_refuse_is_found(
    kind: str, path: tuple[str | int, ...], value: object, schemas: dict[str, Object]
) -> None:
    broken: Any = made("service", kind)
    target = broken
    *parents, field = path
    for parent in parents:
        target = target[parent]
    target[field] = value

    assert faults(broken, schemas)


def test_whatever_is_scraped_is_a_job_that_rules_and_dashboard_ask_for() -> None:
    """The operator names a job by the service or the monitor otherwise, which is whatever the release is called."""
    made = rendered(values("service", monitoring=ALL), name="apis")
    (service,), web, worker = of_kind(made, "Service"), pod(made, "web"), pod(made, "worker")
    asked = set(re.findall(r'job=~"\.\*(\w+)\.\*"', ASKING))

    for kind, labels in (("ServiceMonitor", service["metadata"]["labels"]), ("PodMonitor", worker.labels)):
        (monitor,) = of_kind(made, kind)
        assert {labels[monitor["spec"]["jobLabel"]]} == asked
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= web.labels.items()
