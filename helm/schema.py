"""Writes `tiebeam/values.schema.json`: `python -m helm.schema`, or `--check` to compare only.

The installation's settings are in it as the product reads them, those of each vendor's connector too: what would stop
the start, and a secret that stands where its place should be named, is refused before anything is rendered.
"""

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.ownership import Ownership
from gateway.settings import ConnectionSettings, Settings
from gateway.settings.conversion import secret_schema
from helm.values import Values
from process_apis.ledger.mappings import FILES as MAPPINGS
from system_apis.connectors import CONNECTORS

FILE: Final = Path(__file__).parent / "tiebeam" / "values.schema.json"
Schema = dict[str, Any]

SERVICE: Final[Schema] = {
    "properties": {
        "settings": {
            "required": ["database", "redis"],
            "properties": {
                "database": {"required": ["url"], "properties": {"url": {"type": "object"}}},
                "redis": {"type": "object"},
            },
        },
        "secrets": {"required": ["installationKey"], "properties": {"installationKey": {"type": "object"}}},
    }
}
"""What a service cannot do without."""
GIVEN: Final[Schema] = {"properties": {"files": {"required": list(MAPPINGS)}}}
OTHERS: Final[Schema] = {"required": ["existingConfigMap"]}
"""All mappings, or a ConfigMap that has them."""
ALONE: Final[Schema] = {"properties": {"replicas": {"const": 1}, "autoscaling": False}}
EMBEDDED: Final[Schema] = {
    "properties": {
        "settings": {"properties": {"database": {"properties": {"url": {"type": "null"}}}}},
        "web": ALONE,
        "worker": ALONE,
    }
}
"""What one pod with SQLite cannot have."""
PORT: Final[Schema] = {"type": "integer", "minimum": 1}
LISTENING: Final[Schema] = {
    "type": "object",
    "required": ["host", "port"],
    "properties": {"host": {"not": {"enum": ["127.0.0.1", "localhost", "::1"]}}, "port": PORT},
}
"""Probes and callers come from outside the pod, to a port that is known before."""
IN_PODS: Final[Schema] = {
    "properties": {
        "settings": {
            "required": ["data_dir", "http", "worker"],
            "properties": {
                "data_dir": {
                    "pattern": "^/[^/]+/[^/]",
                    "not": {"pattern": "^/(dev|etc|opt/tiebeam|proc|sys|tmp|usr)(/|$)"},
                },
                "http": LISTENING,
                "worker": LISTENING,
            },
        }
    }
}
"""What settings have to say for a pod to be reached, and to have a place that it can write to."""
DAY: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
PROFILES: Final = {"service": SERVICE, "embedded": EMBEDDED}


def schema() -> Schema:
    """Return the JSON Schema of the values."""
    vendors = {name: connector.settings for name, connector in CONNECTORS.items()}
    kinds = [Values, Settings, Ownership, *vendors.values()]
    (values, settings, ownership, *own), definitions = msgspec.json.schema_components(
        kinds, schema_hook=secret_schema, ref_template="#/$defs/{name}"
    )
    _of(definitions, values)["properties"] |= {"settings": settings, "ownership": ownership}
    _of(definitions, values)["properties"]["mappings"]["anyOf"] = [OTHERS, GIVEN]
    _set_by_loader(_of(definitions, settings))
    _days(definitions)
    _typed_by_vendor(definitions[ConnectionSettings.__name__], dict(zip(vendors, own, strict=True)))
    of_profile = [
        _where({"profile": {"const": name}}, then) for name, then in (("service", SERVICE), ("embedded", EMBEDDED))
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart tiebeam",
        **values,
        "allOf": [IN_PODS, *of_profile],
        "$defs": definitions,
    }


def _of(definitions: dict[str, Schema], reference: Schema) -> Schema:
    return definitions[reference["$ref"].rpartition("/")[2]]


def _set_by_loader(settings: Schema) -> None:
    del settings["properties"]["file"]


def _days(node: Any) -> None:  # noqa: ANN401 - any part of the schema.
    """Say of each day how it is written: Helm looks at no format."""
    if isinstance(node, dict):
        if node.get("format") == "date":
            node["pattern"] = DAY
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            _days(each)


def _typed_by_vendor(connection: Schema, own: dict[str, Schema]) -> None:
    """Let the settings of a connection be those of its vendor's connector."""
    connection["properties"]["vendor"] = {"enum": sorted(own)}
    connection["allOf"] = [
        _where({"vendor": {"const": vendor}}, {"properties": {"settings": settings}})
        for vendor, settings in own.items()
    ]


def _where(given: Schema, then: Schema) -> Schema:
    return {"if": {"properties": given}, "then": then}


def text() -> str:
    """Return the file's text."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"


def main() -> None:
    """Write the file, or with `--check` say that it is stale and end with 1."""
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text(), "utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != text():
        raise SystemExit("helm/tiebeam/values.schema.json is not what the settings say. Run `make generate`.")


if __name__ == "__main__":
    main()
