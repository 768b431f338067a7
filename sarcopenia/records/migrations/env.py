"""Runs the migrations on the connection that `sarcopenia.records.database.Database.upgrade` hands over."""

from alembic import context

from sarcopenia.records.schema import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
