"""Alembic's entry point: runs migrations on the engine that `migrate` hands over."""

from alembic import context
from sqlalchemy import Engine

from app.storage.sql.tables import metadata

engine: Engine = context.config.attributes["engine"]

with engine.begin() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
