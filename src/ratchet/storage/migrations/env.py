"""Alembic's entry point: runs the migrations on the connection it is given."""

from alembic import context

from ratchet.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
