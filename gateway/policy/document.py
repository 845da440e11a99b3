"""From files of YAML rows to policies. What cannot be loaded stops the start, with file, row and field."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jsonschema_rs
import msgspec
from msgspec import Struct

from gateway.lifecycle.document import FILE
from gateway.policy.kinds import KINDS
from gateway.policy.kinds.base import Policy
from gateway.yaml_text import NotYaml, loaded

BY_NAME: Final[dict[str, type[Policy]]] = {str(kind.__struct_config__.tag): kind for kind in KINDS}


class Mistake(NamedTuple):
    """What does not hold, and where: the file, its row and the row's field, as far as there is one."""

    detail: str
    file: str | None = None
    row: int | None = None
    kind: str | None = None
    field: str | None = None
    contract: str | None = None
    """Of a lifecycle file, the version that it says something of."""

    def __str__(self) -> str:
        """Return the line that says it."""
        places = [
            self.file,
            f"row {self.row}{f' ({self.kind})' if self.kind else ''}" if self.row else None,
            self.contract,
            f"field {self.field}" if self.field else None,
        ]
        place = ", ".join(each for each in places if each)
        return f"{place}: {self.detail}" if place else self.detail


class PolicyError(Exception):
    """The policies cannot be used; the text has a line for each mistake: file, row, field."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class Row(Struct, frozen=True, kw_only=True):
    """A policy and where it stands."""

    policy: Policy
    file: str
    number: int

    def mistake(self, field: str, detail: str) -> Mistake:
        """Return what does not hold in a field of the row."""
        return Mistake(detail, self.file, self.number, self.policy.kind, field)

    @property
    def where(self) -> str:
        """Return the place as an error names it."""
        return f"{self.file}, row {self.number} ({self.policy.kind})"


def load(folder: Path) -> list[Row]:
    """Return the rows of all `*.yaml` files, in the order of their names; raises PolicyError with every mistake."""
    return load_with_texts(folder)[1]


def load_with_texts(folder: Path) -> tuple[dict[str, str], list[Row]]:
    """Return the text of each `*.yaml` file by its name, and all rows; raises PolicyError with every mistake."""
    texts, unread = _read(folder)
    return texts, rows_in(texts, unread)


def texts_of(folder: Path) -> dict[str, str]:
    """Return the text of each `*.yaml` file by its name; raises PolicyError where one cannot be read."""
    texts, unread = _read(folder)
    if unread:
        raise PolicyError(unread)
    return texts


def rows_in(texts: Mapping[str, str], unread: Sequence[Mistake] = ()) -> list[Row]:
    """Return the rows of files that were read already, in the order of their names; raises PolicyError.

    The lives of versions stand among the files, and are no rows.
    """
    mistakes, rows = list(unread), list[Row]()
    for file, text in sorted(texts.items()):
        if file == FILE:
            continue
        try:
            rows += rows_of(file, text)
        except PolicyError as error:
            mistakes += error.mistakes
    if mistakes:
        raise PolicyError(mistakes)
    return rows


def rows_of(file: str, text: str) -> list[Row]:
    """Return the rows of one file's text; raises PolicyError with every mistake in it."""
    try:
        document = loaded(text)
    except NotYaml as error:
        raise PolicyError([Mistake(f"this is no YAML: {error}", file)]) from error
    if not isinstance(document, dict) or list(document) != ["policies"] or not isinstance(document["policies"], list):
        raise PolicyError([Mistake("a policy file holds one list, `policies`.", file)])
    return policies_of(file, document["policies"])


def policies_of(file: str, raw_rows: Sequence[Any]) -> list[Row]:
    """Return rows that were read already; raises PolicyError with every mistake in them."""
    mistakes = [mistake for number, raw in enumerate(raw_rows, 1) for mistake in _mistakes(file, number, raw)]
    if mistakes:
        raise PolicyError(mistakes)
    return [
        Row(policy=msgspec.convert(raw, BY_NAME[raw["kind"]]), file=file, number=number)
        for number, raw in enumerate(raw_rows, 1)
    ]


def _read(folder: Path) -> tuple[dict[str, str], list[Mistake]]:
    """Return the files' texts, and which files cannot be read; raises PolicyError where there is no file."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise PolicyError([Mistake("there is no policy file; `tiebeam init` writes a first set.", str(folder))])
    texts, unread = dict[str, str](), list[Mistake]()
    for file in files:
        try:
            texts[file.name] = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            unread.append(Mistake(f"this cannot be read: {error}", file.name))
    return texts, unread


def _mistakes(file: str, number: int, raw: object) -> list[Mistake]:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in BY_NAME:
        return [Mistake(f"{kind!r} is none; there are {', '.join(BY_NAME)}.", file, number, field="kind")]
    validator = jsonschema_rs.Draft202012Validator(msgspec.json.schema(BY_NAME[kind]))
    try:
        errors = list(validator.iter_errors(raw))
    except ValueError as error:  # A date, or a name that is no text: no schema knows of such.
        return [Mistake(f"this is none of JSON's values: {error}.", file, number, kind)]
    return [
        Mistake(error.message, file, number, kind, ".".join(map(str, error.instance_path)) or "—") for error in errors
    ]
