"""Runs migrations on the connection that tenrusl.store.migrate hands over."""

from alembic import context

from tenrusl.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
