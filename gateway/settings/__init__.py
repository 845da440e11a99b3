"""The installation's settings: one `tiebeam.yaml`, the environment over it. The only reader of the environment.

What cannot be loaded stops the start, with every mistake named at once. Secrets are never written into the file: they
stand as `{file: …}` or `{env: …}` and are read from there.
"""

from gateway.settings.conversion import SettingsError, convert
from gateway.settings.loading import CONFIG_VARIABLE, DEFAULT_FILE, hand_on, load
from gateway.settings.sections import ConnectionSettings, Entity, Processes, Settings, Telemetry

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "ConnectionSettings",
    "Entity",
    "Processes",
    "Settings",
    "SettingsError",
    "Telemetry",
    "convert",
    "hand_on",
    "load",
]
