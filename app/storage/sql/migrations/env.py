"""Alembic's entry point: runs migrations on the engine that `migrate` hands over."""

from alembic import context
from sqlalchemy import Engine, text

from app.storage.sql.migrate import ONE_AT_A_TIME
from app.storage.sql.tables import metadata

engine: Engine = context.config.attributes["engine"]

LONGEST_SECONDS = 60

with engine.begin() as connection:
    if connection.dialect.name == "postgresql":
        # Each launcher waits here until the one before has committed; then it finds nothing left to do.
        connection.execute(text(f"SET LOCAL statement_timeout = '{LONGEST_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
