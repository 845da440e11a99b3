"""`tiebeam backup` and `restore`: the installation's state in one file, and back."""

from pathlib import Path

import click

from gateway import commands_backup
from gateway.cli_options import CONFIG, explained, settings_of


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@CONFIG
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(config: str | None, file: Path) -> None:
    """Write the installation's state into a file, while it works.

    That is the database and the keys in the data directory; settings and policies are files of yours. FILE must not
    exist. On PostgreSQL pg_dump has to be on the path.
    """
    explained(lambda: click.echo(commands_backup.backup(settings_of(config), file, _say)))


@click.command()
@CONFIG
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--force", is_flag=True, help="Replace what is there; it is kept in the data directory.")
def restore(config: str | None, file: Path, *, force: bool) -> None:
    """Put a backup back.

    Stop every web process and worker first. On PostgreSQL pg_dump, pg_restore and psql have to be on the path.
    """
    explained(lambda: click.echo(commands_backup.restore(settings_of(config), file, _say, force=force)))
