"""All tables of the one database, ours and the engine's, brought to the version of this release."""

from gateway.durable.engine import engine_pending, migrate_engine, sync_engine
from gateway.store import migrate as ours


def migrate(url: str) -> str:
    """Return the version to which the database was brought. Repeating it changes nothing."""
    database = sync_engine(url, pool_size=1)
    try:
        version = ours.upgrade(database)
    finally:
        database.dispose()
    migrate_engine(url)
    return version


def pending(url: str) -> list[str]:
    """Return what `migrate` would do, in order; empty where the database is as this release wants it."""
    database = sync_engine(url, pool_size=1)
    try:
        coming = ours.pending(database)
    finally:
        database.dispose()
    return [*coming, *(["engine"] if engine_pending(url) else [])]
