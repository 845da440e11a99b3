"""Build one finished database, in a process of its own: `python tryton_build.py CONFIG NAME PROFILE`."""

import contextlib
import logging
import os
import sqlite3
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


def configure(path):
    """Return trytond's configuration, read from the file: before anything else of trytond is imported."""
    os.environ["TRYTOND_CONFIG"] = str(path)
    from trytond import config  # noqa: PLC0415 - see above

    config.update_etc(str(path))
    return config


def transact(name, function):
    """Return what `function(pool)` does as the root user; tables that it must lock are locked."""
    from trytond.pool import Pool  # noqa: PLC0415 - see configure
    from trytond.transaction import Transaction, TransactionError  # noqa: PLC0415 - see configure

    extras = {}
    while True:
        with Transaction().start(name, 0, **extras) as transaction:
            try:
                result = function(Pool(name))
            except TransactionError as error:
                transaction.rollback()
                error.fix(extras)
                continue
            transaction.commit()
            return result


def activate(name, modules):
    """Make the tables: what `trytond-admin -u MODULE --activate-dependencies` comes down to."""
    from trytond import backend  # noqa: PLC0415 - see configure
    from trytond.pool import Pool  # noqa: PLC0415 - see configure

    database = backend.Database(name)
    database.connect()
    if not database.test():
        database.init()
    Pool.start()
    Pool(name).init(update=["ir", *modules], lang=["en"], activatedeps=True, indexes=True)


def first_settings(pool, password):
    """Make the administrator, and what Tryton's own set-up command sets."""
    from trytond import __series__  # noqa: PLC0415 - see configure

    pool.get("ir.module").update_list()
    configuration = pool.get("ir.configuration")(1)
    configuration.series, configuration.language = __series__, "en"
    configuration.save()
    users = pool.get("res.user")
    found = users.search([("login", "=", "admin"), ("id", "!=", 0)])
    admin = found[0] if found else users(login="admin")
    admin.name, admin.email, admin.password, admin.administrator = "Administrator", "admin@example.com", password, True
    admin.save()


def tidy(path):
    """Leave an SQLite database in one file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for command in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            connection.execute(command)


def build(config_file, name, profile):
    """Build the database from nothing."""
    config = configure(config_file)
    import tryton_seed  # noqa: PLC0415 - proteus imports trytond
    from proteus import config as proteus_config  # noqa: PLC0415 - see configure

    activate(name, tryton_seed.PROFILES[profile])
    transact(name, lambda pool: first_settings(pool, tryton_seed.PASSWORD))
    scheme, netloc, *_ = urlsplit(config.get("database", "uri"))
    proteus_config.set_trytond(urlunsplit((scheme, netloc, f"/{name}", "", "")), config_file=str(config_file))
    tryton_seed.sow(profile)
    if scheme == "sqlite":
        tidy(Path(config.get("database", "path")) / f"{name}.sqlite")


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    build(Path(sys.argv[1]), *sys.argv[2:])
