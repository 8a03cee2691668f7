"""Runs the migrations on the connection it is handed; `presente migrate` is the way in."""

from alembic import context

from bot.store.tables import Table

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite changes a column only by making the table anew
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
