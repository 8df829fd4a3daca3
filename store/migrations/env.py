"""Alembic's entry: runs on the connection that `store.schema.upgrade` hands over."""

from alembic import context

from store import tables
from store.columns import House

TABLES = tables  # imported so that every table is known
context.configure(
    connection=context.config.attributes["connection"], target_metadata=House.metadata, render_as_batch=True
)
context.run_migrations()
