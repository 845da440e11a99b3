"""YAML that somebody wrote, read into plain values, or told in words why it cannot be.

It may come over HTTP from whoever may change policies: it neither ends a process nor fills its memory. What a person
writes twice under one name is told, where PyYAML would take the last one without a word.
"""

from datetime import date
from typing import Any, Final

import yaml

MOST_DEEP: Final = 40
MOST_VALUES: Final = 100_000
"""Values of a document, those that an alias repeats counted each time."""
PLAIN: Final = (str, int, float, date, type(None))


class NotYaml(Exception):
    """It cannot be read; the text says why."""


class _Loader(yaml.SafeLoader):
    """PyYAML's own for plain values; a key stands once in a mapping, as YAML 1.2 has it (3.2.1.1)."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - PyYAML's own
        """Return the mapping as it is written, before anything is merged into it; raises NotYaml."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            named, line = (key.tag, key.value), key.start_mark.line + 1
            if named in lines:
                raise NotYaml(f"line {line}: the key {key.value} stands on line {lines[named]} already.")
            lines[named] = line
        return node


def loaded(text: str) -> Any:  # noqa: ANN401 - a document is anything.
    """Return what the text says; raises NotYaml."""
    try:
        document = _plain(text)
    except RecursionError as error:
        raise NotYaml(f"it nests deeper than {MOST_DEEP} levels.") from error
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
        raise NotYaml(
            str(error)
        ) from error  # Of a date, a number or a truth that is none, PyYAML raises what it meets.
    _measure(document)
    return document


def _plain(text: str) -> object:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _measure(document: object) -> None:
    """Return where the document is of plain values, and not too many or too deep: also one that contains itself."""
    values, left = 0, [(document, 0)]
    while left:
        value, depth = left.pop()
        values += 1
        if depth > MOST_DEEP:
            raise NotYaml(f"it nests deeper than {MOST_DEEP} levels.")
        if values > MOST_VALUES:
            raise NotYaml(f"it holds more than {MOST_VALUES} values.")
        if isinstance(value, dict):
            left += [(part, depth + 1) for part in (*value, *value.values())]
        elif isinstance(value, list):
            left += [(part, depth + 1) for part in value]
        elif not isinstance(value, PLAIN):
            raise NotYaml(f"a {type(value).__name__} is no value that stands here.")
