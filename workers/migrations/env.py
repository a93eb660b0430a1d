"""Alembic's entry: runs the migrations on the connection that `workers.database.migrate` opened."""

from alembic import context
from sqlalchemy import Connection

from workers.records import Record

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Record.metadata, transactional_ddl=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
