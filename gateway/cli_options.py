"""What the commands of `tiebeam` have in common: where the settings are, and how what does not hold is said."""

from collections.abc import Callable
from typing import TypeVar

import click

from gateway import settings as config
from gateway.composition.parts import CannotStart
from gateway.settings import Settings, SettingsError

T = TypeVar("T")
CONFIG = click.option(
    "--config",
    metavar="FILE",
    help=f"The settings; else ${config.CONFIG_VARIABLE}, else ./{config.DEFAULT_FILE}.",
)


ENDS = "Exits with 0; with 1 where something is wrong, which it names; with 2 where it was called wrongly."


class InOrder(click.Group):
    """Lists its commands in the order in which they are first needed; each says how it ends."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Take the command in."""
        cmd.epilog = cmd.epilog or ENDS
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names as they stand in the file."""
        return list(self.commands)


def settings_of(file: str | None) -> Settings:
    """Return the settings, or end with every mistake in them."""
    try:
        return config.load(file)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def explained(act: Callable[[], T]) -> T:
    """Return what the act returns; what stops it is said in words, without a stack."""
    try:
        return act()
    except CannotStart as error:
        raise click.ClickException(str(error)) from error
