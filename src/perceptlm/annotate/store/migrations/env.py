"""Where Alembic enters: runs revisions on the connection that `store.migrate` hands over."""

from alembic import context

from perceptlm.annotate.store.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
