"""Alembic's entry: runs on the connection that `store.schema.upgrade` hands over."""

from alembic import context

from store.tables import House

context.configure(
    connection=context.config.attributes["connection"], target_metadata=House.metadata, render_as_batch=True
)
context.run_migrations()
