"""Finished databases: built once, kept in the cache, copied from there. SQLite files, or one PostgreSQL cluster."""

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import tryton_postgres

HERE = Path(__file__).parent


def say(text):
    """Show what takes a moment."""
    print(text, file=sys.stderr, flush=True)


def fingerprint(*of):
    """Return what tells a finished database from one that was built otherwise: sources, versions, year, contents."""
    versions = sorted(f"{each.name}={each.version}" for each in distributions() if each.name.startswith("trytond"))
    sources = [(HERE / name).read_text() for name in ("tryton_seed.py", "tryton_build.py", "tryton_invoice.html")]
    year = dt.date.today().year  # noqa: DTZ011 - the fiscal years are made around it
    return hashlib.sha256(json.dumps([year, versions, sources, of]).encode()).hexdigest()[:12]


def built(config_file, name, profile):
    """Build a database, in a process of its own: trytond can be configured once in each."""
    started = time.monotonic()
    say(f'building the database "{name}"; this is the slow part …')
    subprocess.run(  # noqa: S603 - our own
        [sys.executable, HERE / "tryton_build.py", config_file, name, profile], check=True, stdout=sys.stderr
    )
    say(f'built "{name}" in {time.monotonic() - started:.0f} s')


class SQLite:
    """A file for each database."""

    uri = "sqlite://"

    def __init__(self, data_dir, cache):
        self.dir, self.cache = data_dir / "db", cache
        self.dir.mkdir(parents=True, exist_ok=True)

    def ensure(self, config_file, name, profile):
        """Let the database be there: as it was, copied from the cache, or built."""
        path = self.dir / f"{name}.sqlite"
        if path.exists():
            return
        kept = self.cache and self.cache / f"tryton-{profile}-{fingerprint(profile)}.sqlite"
        if not (kept and kept.exists()):
            building = self.dir / f"{name}__building.sqlite"
            building.unlink(missing_ok=True)
            building.touch()
            built(config_file, building.stem, profile)
            if not kept:
                building.rename(path)
                return
            self.cache.mkdir(parents=True, exist_ok=True)
            _put(building, kept)
            building.unlink()
        _put(kept, path)

    def reset(self):
        """Throw every database away."""
        for path in self.dir.glob("*.sqlite*"):
            path.unlink()

    def stop(self):
        """Nothing runs."""


class PostgreSQL:
    """A server: one that runs, or one of our own that ends with us."""

    def __init__(self, uri, server=None):
        scheme, netloc, *_ = urlsplit(uri)
        self.uri, self._server = urlunsplit((scheme, netloc, "/", "", "")), server

    def ensure(self, config_file, name, profile):
        """Let the database be there: as it was, or built."""
        with self._connection() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                return
            connection.execute(f'DROP DATABASE IF EXISTS "{name}__building"')
            connection.execute(f"CREATE DATABASE \"{name}__building\" TEMPLATE template0 ENCODING 'UTF8'")
            built(config_file, f"{name}__building", profile)
            connection.execute(f'ALTER DATABASE "{name}__building" RENAME TO "{name}"')

    def stop(self):
        """End the server, where it is ours."""
        if self._server:
            self._server.stop()

    def _connection(self):
        import psycopg  # noqa: PLC0415 - not installed where SQLite is all that is used

        return psycopg.connect(f"{self.uri}postgres", autocommit=True)


def embedded(data_dir, cache, databases):
    """Return a PostgreSQL of our own in the directory; its cluster is copied from the cache, once there is one."""
    cluster = data_dir / "pg/data"
    if cache and not cluster.exists():
        kept = cache / f"tryton-postgresql-{fingerprint(*databases)}"
        if not kept.exists():
            _build_cluster(kept, databases)
        shutil.copytree(kept, cluster)
    server = tryton_postgres.Server(data_dir)
    return PostgreSQL(server.uri, server)


def _build_cluster(kept, databases):
    """Build the databases in a directory that any user may reach, and keep the cluster."""
    import tempfile  # noqa: PLC0415 - seldom needed

    with tempfile.TemporaryDirectory(prefix="tryton-building-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        command = [sys.executable, HERE / "tryton_up.py", Path(directory, "data"), "--db", "embedded", "--build-only"]
        wanted = [part for name, profile in databases for part in ("--database", f"{name}:{profile}")]
        subprocess.run([*command, *wanted], check=True, stdout=sys.stderr)  # noqa: S603 - our own
        partial = kept.with_suffix(f".{os.getpid()}")
        shutil.copytree(Path(directory, "data/pg/data"), partial)
        with contextlib.suppress(OSError):  # Another process was faster.
            partial.rename(kept)
        shutil.rmtree(partial, ignore_errors=True)


def _put(source, target):
    """Copy a file so that it is there whole, or not at all."""
    partial = target.with_suffix(f".{os.getpid()}")
    shutil.copyfile(source, partial)
    partial.rename(target)
