"""How Alembic finds our tables. The connection is given by `gateway.store.migrate`; nothing is read from a file."""

import pkgutil
from importlib import import_module

from alembic import context

import gateway.store
import process_apis.ledger
from gateway.store.database import metadata
from gateway.store.migrate import VERSION_TABLE, is_ours

for package in (gateway.store, process_apis.ledger):  # Whatever declares a table stands in one of these.
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_object=is_ours,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
