"""Our tables, brought to the version of this release: one history for both databases, shipped with the product.

The engine's own tables are `gateway.durable.migrate`'s, which runs both.
"""

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.schema import SchemaItem

from gateway.shipped import shipped

VERSION_TABLE: Final = "tb_alembic_version"


def is_ours(_item: SchemaItem, name: str | None, kind: str, reflected: bool, _met: SchemaItem | None) -> bool:  # noqa: FBT001 - Alembic calls it
    """Tell Alembic that tables without our prefix are somebody else's: the engine's lie beside ours on SQLite."""
    return not (kind == "table" and reflected and not (name or "").startswith("tb_"))


def upgrade(database: Engine) -> str:
    """Return the version to which our tables were brought."""
    with database.begin() as connection:
        command.upgrade(config(connection), "head")
    return head()


def pending(database: Engine) -> list[str]:
    """Return the versions that are still to come, the next one first."""
    with database.connect() as connection:
        at = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    coming = [script.revision for script in _scripts().iterate_revisions("head", at or "base")]
    return coming[::-1]


def head() -> str:
    """Return the version of this release."""
    return str(_scripts().get_current_head())


def knows(version: str) -> bool:
    """Tell whether this release has the version, so that a database which is at it can be brought on."""
    return any(script.revision == version for script in _scripts().walk_revisions())


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, for a connection whose transaction is the caller's."""
    made = Config()
    made.set_main_option("script_location", str(shipped("migrations")))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())
