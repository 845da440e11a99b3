"""Writes the types beside the contracts: `python -m openapi.generate`, or `--check` to compare only.

A contract is YAML by hand; `v1.py` beside it is this script's. Strictness is the contract's: a schema with
`additionalProperties: false` becomes a struct that refuses unknown fields.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent
NOT_CONTRACTS = {"problems.yaml", "lifecycle.yaml"}
FLAGS = (
    *("--input-file-type", "openapi", "--output-model-type", "msgspec.Struct", "--target-python-version", "3.11"),
    *("--keyword-only", "--use-annotated", "--use-union-operator", "--use-standard-collections", "--use-exact-imports"),
    *("--use-double-quotes", "--use-schema-description", "--output-datetime-class", "datetime"),
    *("--output-date-class", "date", "--disable-timestamp", "--strict-refs", "--allof-class-hierarchy", "always"),
    *("--formatters", "builtin", "--ignore-pyproject", "--import-overrides", '{"datetime":"openapi.instant"}'),
)

Document = dict[str, Any]


def contracts() -> dict[str, Document]:
    """Return each contract by its path below `openapi/`; a YAML file that is neither kind stops the generator."""
    found = {}
    for path in sorted(ROOT.rglob("*.yaml")):
        name = path.relative_to(ROOT).as_posix()
        if name in NOT_CONTRACTS:
            continue
        document = yaml.safe_load(path.read_text())
        if "openapi" not in document:
            raise SystemExit(f"{path} is not a contract; name it in NOT_CONTRACTS if it belongs here.")
        found[name] = document
    return found


def end_anchored(node: Any) -> Any:  # noqa: ANN401 - any node of a document
    r"""Return the node with patterns ending in `\Z`: msgspec's `$` would let a line feed follow."""
    if isinstance(node, dict):
        return {
            key: value[:-1] + r"\Z" if key == "pattern" and str(value).endswith("$") else end_anchored(value)
            for key, value in node.items()
        }
    return [end_anchored(item) for item in node] if isinstance(node, list) else node


def struct_options(documents: dict[str, Document]) -> Document:
    """Return the base-class arguments of every struct, by path: by class name they would reach one class only."""
    return {
        f"{file}#/components/schemas/{name}": {
            "base_class_kwargs": {
                "frozen": True,
                **({"forbid_unknown_fields": True} if schema.get("additionalProperties") is False else {}),
            }
        }
        for file, document in documents.items()
        for name, schema in document.get("components", {}).get("schemas", {}).items()
        if "properties" in schema or "allOf" in schema
    }


def generate() -> dict[Path, str]:
    """Return the text of every generated module by its path."""
    documents = contracts()
    codes = list(yaml.safe_load((ROOT / "problems.yaml").read_text()))
    documents["common/types.yaml"]["components"]["schemas"]["Code"]["enum"] = codes
    with tempfile.TemporaryDirectory() as folder:
        staged, output = Path(folder, "in"), Path(folder, "openapi")
        for file, document in documents.items():
            Path(staged, file).parent.mkdir(parents=True, exist_ok=True)
            Path(staged, file).write_text(yaml.safe_dump(end_anchored(document), sort_keys=False))
        options = json.dumps(struct_options(documents))
        command = [sys.executable, "-m", "datamodel_code_generator", "--input", str(staged), "--output", str(output)]
        subprocess.run([*command, *FLAGS, "--extra-template-data", options], cwd=folder, check=True)  # noqa: S603 - our own
        return {ROOT / path.relative_to(output): path.read_text() for path in output.rglob("*.py")}


def differences(generated: dict[Path, str]) -> list[str]:
    """Return what is not as the contracts say: a module that differs, is missing, or has lost its contract."""
    by_hand = {ROOT / "__init__.py"}
    stale = [
        f"{path.relative_to(ROOT)} is not what its contract says"
        for path, text in generated.items()
        if path not in by_hand and (not path.exists() or path.read_text() != text)
    ]
    orphans = [f"{path.relative_to(ROOT)} has no contract" for path in ROOT.glob("*/**/*.py") if path not in generated]
    return sorted(stale + orphans)


def main() -> None:
    """Write the modules, or with `--check` say which are stale and end with 1."""
    generated = generate()
    if "--check" in sys.argv[1:]:
        stale = differences(generated)
        raise SystemExit("\n".join([*stale, "Run `make generate`."]) if stale else 0)
    for path, text in generated.items():
        if path != ROOT / "__init__.py":
            path.write_text(text)


if __name__ == "__main__":
    main()
