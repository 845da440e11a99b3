"""What each command says of itself, and to whoever calls it wrongly."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from gateway import cli
from gateway.cli_options import ENDS

LONGEST = 80
"""A terminal's width: what a list of commands shows of each."""


def every(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of the command, and of each below it."""
    yield path
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from every(command.commands[name], *path, name)


COMMANDS = list(every(cli.main))


def command_of(path: tuple[str, ...]) -> click.Command:
    found: click.Command = cli.main
    for name in path:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    return found


def called(*arguments: str) -> tuple[int, str]:
    """Return how it ended, and what it said."""
    result = CliRunner().invoke(cli.main, arguments, prog_name="tiebeam", terminal_width=LONGEST)
    return result.exit_code, result.output


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "tiebeam")
def test_help_has_a_line_defaults_and_how_it_ends(path: tuple[str, ...]) -> None:
    command, (code, said) = command_of(path), called(*path, "--help")
    options = [each for each in command.params if isinstance(each, click.Option)]
    defaults = [each for each in options if not each.is_flag and each.default not in {None, ""} and not each.multiple]

    assert code == 0
    assert "\n" not in (command.help or "").split("\n\n")[0], "The first sentence is a line of its own."
    assert " ".join(ENDS.split()) in " ".join(said.split())
    assert [each.name for each in options if not each.help] == []
    assert [each.name for each in defaults if isinstance(each.default, str | int) and not each.show_default] == []


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "tiebeam")
def test_command_that_is_called_wrongly_ends_with_2_and_says_where_to_look(path: tuple[str, ...]) -> None:
    code, said = called(*path, "--nothing-of-the-kind")

    assert code == 2
    assert f"Try '{' '.join(['tiebeam', *path])} --help' for help." in said
    assert "--nothing-of-the-kind" in said


@pytest.mark.parametrize(
    ("typed", "meant"), [("srve", "serve"), ("work-items asign", "assign"), ("serve --no-wrker", "--no-worker")]
)
def test_command_that_is_mistyped_is_told_what_was_meant(typed: str, meant: str) -> None:
    code, said = called(*typed.split())

    assert code == 2
    assert f"Did you mean '{meant}'?" in said
