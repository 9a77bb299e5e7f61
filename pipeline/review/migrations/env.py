"""Alembic runs this file. Migrations use the connection that `pipeline/review/database.py` has locked."""

from alembic import context

from pipeline.review.tables import METADATA


def migrate() -> None:
    connection = context.config.attributes["connection"]
    # Batch mode: SQLite changes a table by copying it.
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


migrate()
