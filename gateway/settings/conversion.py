"""From what was read to settings that hold: every mistake with its place, and secrets read from where they stand."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jsonschema_rs
import msgspec

from gateway.secret import Secret

T = TypeVar("T")


class SettingsError(Exception):
    """The installation's settings do not hold; the text names each mistake and where it stands."""


def convert(
    raw: object, into: type[T], where: str, *, base: Path | None = None, environ: Mapping[str, str] | None = None
) -> T:
    """Return the settings as `into`; raises SettingsError with every mistake, each with its place.

    `base` is the folder that files of secrets are relative to.
    """
    environ = os.environ if environ is None else environ
    schema = msgspec.json.schema(into, schema_hook=secret_schema)
    validator = jsonschema_rs.Draft202012Validator(schema, mask="the value")  # A secret may stand in the wrong place.
    mistakes = [f"{where}: {_place(error.instance_path)}: {error.message}" for error in validator.iter_errors(raw)]
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return msgspec.convert(raw, into, dec_hook=partial(_secret, base=base or Path(), environ=environ))


def _place(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path) or "the document"


def secret_schema(kind: type) -> dict[str, Any]:
    """Return how a secret is written: the file that it stands in, or the variable."""
    if kind is not Secret:
        raise NotImplementedError(kind)
    one = {"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return one | {"properties": {"file": {"type": "string"}, "env": {"type": "string"}}}


def _secret(kind: type, value: Mapping[str, str], *, base: Path, environ: Mapping[str, str]) -> Secret:
    if kind is not Secret:
        raise NotImplementedError(kind)
    if "env" in value:
        if value["env"] not in environ:
            raise SettingsError(f"The variable {value['env']}, which a secret is read from, is not set.")
        return Secret(environ[value["env"]])
    path = base / value["file"]
    try:
        return Secret(path.read_text("utf-8").strip())
    except OSError as error:
        raise SettingsError(f"{path}, which a secret is read from, cannot be read.") from error
