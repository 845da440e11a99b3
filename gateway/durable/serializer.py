"""How the engine keeps values: JSON, readable by people and by later releases. Never pickle, never a class's name."""

from typing import Any, Final

import msgspec
from dbos import Serializer

_ERROR: Final = "$error"


class Recorded(Exception):
    """What was raised, as far as it was kept: its class's name and its text. Never a class to be built again."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name, self.text = name, text

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class Json(Serializer):
    """The engine's serializer, the same in workers and web processes."""

    def serialize(self, data: Any) -> str:  # noqa: ANN401 - whatever the engine keeps
        """Return the value as JSON. An exception has to go through, or its workflow would be pending for ever."""
        return msgspec.json.encode(data, enc_hook=_plain).decode()

    def deserialize(self, serialized_data: str) -> Any:  # noqa: ANN401 - as above
        """Return plain data; the step that asked for it knows its type."""
        value = msgspec.json.decode(serialized_data)
        if isinstance(value, dict) and value.keys() == {_ERROR}:
            name, text = value[_ERROR]
            return Recorded(name, text)
        return value

    def name(self) -> str:
        """Return what the engine writes beside each value."""
        return "tiebeam_json"


def _plain(value: object) -> object:
    if isinstance(value, BaseException):
        return {_ERROR: [type(value).__name__, str(value)]}
    raise NotImplementedError(f"{type(value).__name__} cannot be kept.")
