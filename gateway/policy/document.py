"""From files of YAML rows to policies. What cannot be loaded stops the start, with file, row and field."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec
import yaml
from msgspec import Struct

from gateway.policy.kinds import KINDS
from gateway.policy.kinds.base import Policy

BY_NAME: Final[dict[str, type[Policy]]] = {str(kind.__struct_config__.tag): kind for kind in KINDS}


class PolicyError(Exception):
    """The policies cannot be used; the text has a line for each mistake: file, row, field."""


class Row(Struct, frozen=True, kw_only=True):
    """A policy and where it stands."""

    policy: Policy
    file: str
    number: int

    @property
    def where(self) -> str:
        """Return the place as an error names it."""
        return f"{self.file}, row {self.number} ({self.policy.kind})"


def load(folder: Path) -> list[Row]:
    """Return the rows of all `*.yaml` files, in the order of their names; raises PolicyError with every mistake."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise PolicyError(f"{folder}: there is no policy file; `tiebeam init` writes a first set.")
    mistakes: list[str] = []
    rows: list[Row] = []
    for file in files:
        try:
            rows += rows_of(file.name, file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(f"{file.name}: this cannot be read: {error}")
        except PolicyError as error:
            mistakes.append(str(error))
    if mistakes:
        raise PolicyError("\n".join(mistakes))
    return rows


def rows_of(file: str, text: str) -> list[Row]:
    """Return the rows of one file's text; raises PolicyError with every mistake in it."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError(f"{file}: this is no YAML: {error}") from error
    if not isinstance(document, dict) or list(document) != ["policies"] or not isinstance(document["policies"], list):
        raise PolicyError(f"{file}: a policy file holds one list, `policies`.")
    return policies_of(file, document["policies"])


def policies_of(file: str, raw_rows: Sequence[Any]) -> list[Row]:
    """Return rows that were read already; raises PolicyError with every mistake in them."""
    mistakes = [mistake for number, raw in enumerate(raw_rows, 1) for mistake in _mistakes(file, number, raw)]
    if mistakes:
        raise PolicyError("\n".join(mistakes))
    return [
        Row(policy=msgspec.convert(raw, BY_NAME[raw["kind"]]), file=file, number=number)
        for number, raw in enumerate(raw_rows, 1)
    ]


def _mistakes(file: str, number: int, raw: object) -> list[str]:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in BY_NAME:
        return [f"{file}, row {number}, field kind: {kind!r} is none; there are {', '.join(BY_NAME)}."]
    validator = jsonschema_rs.Draft202012Validator(msgspec.json.schema(BY_NAME[kind]))
    return [
        f"{file}, row {number} ({kind}), field {'.'.join(map(str, error.instance_path)) or '—'}: {error.message}"
        for error in validator.iter_errors(raw)
    ]
