"""Our tables, brought to the version of this release: one history for both databases, shipped with the product.

The engine's own tables are `gateway.durable.migrate`'s, which runs both.
"""

import random
import time
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import SchemaItem

from gateway.shipped import shipped

VERSION_TABLE: Final = "tb_schema_version"
FORMER_VERSION_TABLE: Final = "tb_alembic_version"
"""Where 0.1.0 looks. With a version there that it does not know it says that it is not ready, and does not start.

So what it wrote stays, and it goes on while its successor comes.
"""
LOCK_WAIT: Final = "500ms"
"""Who waits for a table keeps out whoever comes later. And from one second on PostgreSQL looks for deadlocks, and might
break off somebody else's transaction (`deadlock_timeout`)."""
IN_THE_WAY: Final = ("55P03", "40P01")
"""What PostgreSQL calls a lock that is not to be had in time, and a deadlock."""
PATIENCE_S: Final = 120.0
_JITTER: Final = random.Random()  # noqa: S311 - it only spreads what would otherwise come at once


def is_ours(_item: SchemaItem, name: str | None, kind: str, reflected: bool, _met: SchemaItem | None) -> bool:  # noqa: FBT001 - Alembic calls it
    """Tell Alembic that tables without our prefix are somebody else's: the engine's lie beside ours on SQLite."""
    theirs = not (name or "").startswith("tb_") or name == FORMER_VERSION_TABLE
    return not (kind == "table" and reflected and theirs)


def upgrade(database: Engine) -> str:
    """Return the version to which our tables were brought; those of a later release are left as they are.

    It is one transaction, made again where it meets others at work on the tables: they go on meanwhile.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _upgraded(database)
        except OperationalError as error:
            if not is_in_the_way(error) or time.monotonic() >= until:
                raise
        time.sleep(_JITTER.uniform(0.05, 0.5))


def is_in_the_way(error: OperationalError) -> bool:
    """Tell whether somebody else was at the tables for too long."""
    return getattr(error.orig, "sqlstate", None) in IN_THE_WAY


def _upgraded(database: Engine) -> str:
    with database.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
        at = _version(connection, VERSION_TABLE)
        if at and _is_later(at):
            return at
        former = None if at else _version(connection, FORMER_VERSION_TABLE)
        if former:
            command.stamp(config(connection), former)
        command.upgrade(config(connection), "head")
    return head()


def pending(database: Engine) -> list[str]:
    """Return the versions that are still to come, the next one first.

    It is none where a later release has migrated: it adds, and takes nothing away that this one reads or writes.
    """
    with database.connect() as connection:
        at = _version(connection, VERSION_TABLE) or _version(connection, FORMER_VERSION_TABLE)
    if at and _is_later(at):
        return []
    coming = [script.revision for script in _scripts().iterate_revisions("head", at or "base")]
    return coming[::-1]


def head() -> str:
    """Return the version of this release."""
    return str(_scripts().get_current_head())


def knows(version: str) -> bool:
    """Tell whether this release has the version, so that a database which is at it can be brought on."""
    return any(script.revision == version for script in _scripts().walk_revisions())


def _version(connection: Connection, table: str) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": table}).get_current_revision()


def _is_later(version: str) -> bool:
    """Tell whether the version is a later release's; each begins with its number."""
    return version > head() and not knows(version)


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, for a connection whose transaction is the caller's."""
    made = Config()
    made.set_main_option("script_location", str(shipped("migrations")))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())
