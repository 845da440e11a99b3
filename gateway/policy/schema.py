"""Writes `policies/schema.json`, for editors: `python -m gateway.policy.schema`, or `--check` to compare only."""

import sys
from typing import Any

import msgspec

from gateway.policy.kinds import KINDS
from gateway.shipped import shipped


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file: one list of rows, each of one kind."""
    kinds, definitions = msgspec.json.schema_components(KINDS, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tiebeam policies",
        "type": "object",
        "required": ["policies"],
        "additionalProperties": False,
        "properties": {"policies": {"type": "array", "items": {"oneOf": list(kinds)}}},
        "$defs": definitions,
    }


def text() -> str:
    """Return the file's text."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"


def main() -> None:
    """Write the file, or with `--check` say that it is stale and end with 1."""
    file = shipped("policies") / "schema.json"
    if "--check" not in sys.argv[1:]:
        file.write_text(text())
    elif not file.exists() or file.read_text() != text():
        raise SystemExit("policies/schema.json is not what the kinds say. Run `make generate`.")


if __name__ == "__main__":
    main()
