"""PostgreSQL: dumped and put back by its own programs, which have to be on the path."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.engine import make_url

from gateway.backup.archive import BackupError

TOOLS_FROM: Final = "PostgreSQL's client programs (Debian: postgresql-client), not older than the server"
ENGINES_SCHEMA: Final = "dbos"
OTHERS: Final = text(
    "SELECT coalesce(client_addr::text, 'this machine') FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
STRANGE: Final = text(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'tb\\_%' ORDER BY tablename"
)
OURS: Final = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'tb\\_%'")
CLEARED: Final = (
    f"SET client_min_messages = warning; DROP SCHEMA IF EXISTS {ENGINES_SCHEMA} CASCADE;"
    " DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"
)


def dump(url: str, into: Path) -> None:
    """Return once the file holds the database as it was at one moment; whoever writes meanwhile is not held up."""
    into.touch(mode=0o600)
    plain = ("--format=custom", "--no-owner", "--no-privileges", f"--file={into}")
    with _address(url) as address:
        _run("pg_dump", *plain, f"--dbname={address}")


def restore(url: str, dumped: Path) -> None:
    """Return once the database holds what the file does, and nothing else; all of it, or it is as it was."""
    script = dumped.with_name(f"{dumped.name}.sql")
    script.touch(mode=0o600)
    _run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(dumped))
    plain = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
    silent = f"--output={os.devnull}"
    with _address(url) as address:
        _run("psql", *plain, silent, f"--command={CLEARED}", f"--file={script}", f"--dbname={address}")
    script.unlink()


def is_occupied(url: str) -> bool:
    """Tell whether tables of ours are there; raises BackupError where the database is in use, or is not ours alone."""
    engine = sqlalchemy.create_engine(make_url(url).set(drivername="postgresql+psycopg"), hide_parameters=True)
    try:
        with engine.connect() as connection:
            _refuse_used(connection.execute(OTHERS).scalars())
            _refuse_shared(connection.execute(STRANGE).scalars())
            return bool(connection.execute(OURS).scalar_one())
    finally:
        engine.dispose()


def _refuse_used(places: Iterable[str]) -> None:
    if used := sorted(set(places)):
        everywhere = "Stop every web process and worker, on all machines, first"
        raise BackupError(f"The database is in use from {', '.join(used)}. {everywhere}.")


def _refuse_shared(tables: Iterable[str]) -> None:
    if strange := list(tables):
        detail = "A restore replaces the whole schema; give the gateway a database of its own"
        raise BackupError(f"The database has tables that are not ours, such as {strange[0]}. {detail}.")


def _run(program: str, *options: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not on the path. Install {TOOLS_FROM}.")
    ended = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, with options of ours
        [found, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise BackupError(f"{program} ended with {ended.returncode}: {ended.stderr.strip()[-2000:]}")


@contextmanager
def _address(url: str) -> Iterator[str]:
    """Yield the address as libpq reads it; the password lies in a file, since options can be read by everybody here."""
    address = make_url(url).set(drivername="postgresql")
    password = address.password
    with tempfile.TemporaryDirectory() as folder:  # Nobody else may look into it.
        if password is not None:
            file = Path(folder, "pgpass")
            file.touch(mode=0o600)
            file.write_text(f"*:*:*:*:{_escaped(str(password))}\n", "utf-8")
            address = address.update_query_dict({"passfile": str(file)})
        # SQLAlchemy takes no None for a password that is to be left out.
        yield address._replace(password=None).render_as_string(hide_password=False)


def _escaped(password: str) -> str:
    """Return the password as a line of libpq's password file has it."""
    return password.replace("\\", r"\\").replace(":", r"\:")
