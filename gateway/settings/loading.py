"""From the file and the environment over it to the settings; what does not hold stops it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.settings.contradictions import contradictions
from gateway.settings.conversion import SettingsError, convert
from gateway.settings.sections import Settings
from gateway.yaml_text import NotYaml, loaded

PREFIX = "TIEBEAM__"
CONFIG_VARIABLE = "TIEBEAM_CONFIG"
DEFAULT_FILE = "tiebeam.yaml"


def load(file: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the file given, or named by TIEBEAM_CONFIG, or in the working directory.

    Raises SettingsError with all mistakes.
    """
    environ = os.environ if environ is None else environ
    path = Path(file or environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)
    try:
        document = loaded(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read. `tiebeam init DIR` writes a commented one.") from error
    except (NotYaml, UnicodeError) as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} has no settings in it.")
    path = path.resolve()
    document["file"] = str(path)
    settings = convert(overridden(document, environ), Settings, path.name, base=path.parent, environ=environ)
    mistakes = contradictions(settings)
    if mistakes:
        raise SettingsError("\n".join(f"{path.name}: {mistake}" for mistake in mistakes))
    return settings


def hand_on(settings: Settings) -> None:
    """Let the processes that this one starts read the same file."""
    os.environ[CONFIG_VARIABLE] = settings.file


def overridden(document: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with `TIEBEAM__SECTION__FIELD=value` put over it; a value is read as YAML.

    Raises SettingsError with the variable that cannot be read, but never with its value.
    """
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        *sections, field = name.removeprefix(PREFIX).split("__")
        target: Any = document
        for section in sections:
            target = target.setdefault(_key(target, section), {})
            if not isinstance(target, dict):
                raise SettingsError(f"The variable {name} names no field: {section} has none.")
        try:
            target[_key(target, field)] = loaded(text)
        except NotYaml as error:
            raise SettingsError(f"The value of the variable {name} is no YAML.") from error
    return document


def _key(section: Mapping[str, Any], name: str) -> str:
    """Return the key as the section spells it: the environment knows capitals only."""
    return next((key for key in section if key.upper().replace("-", "_") == name.upper()), name.lower())
