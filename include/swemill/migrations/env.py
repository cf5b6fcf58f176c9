"""Alembic's entry: migrates over the connection that ``Store.migrate`` hands in."""

from alembic import context

from swemill.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
