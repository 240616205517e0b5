"""Makes the SQLAlchemy engine, and turns its errors into ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.errors import StoreUnavailable

log = logging.getLogger(__name__)

BUSY_TIMEOUT_SECONDS = 3
PSYCOPG = "postgresql+psycopg"
# What a server that is gone, or a network that drops packets, may cost; SQLAlchemy asks a kept connection before use.
POSTGRES_LIMITS = {
    "connect_timeout": BUSY_TIMEOUT_SECONDS,
    "tcp_user_timeout": BUSY_TIMEOUT_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}


def make_engine(url: str) -> Engine:
    """An engine that connects when it is first used: SQLite in WAL mode, so that readers never wait for a writer, or
    another database. `postgresql://` means psycopg 3.

    An error never shows the parameters of its statement: a password's hash may be among them. Raises
    `StoreUnavailable` if there is no driver for `url`.
    """
    if url.startswith("sqlite"):
        engine = create_engine(
            url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, pool_timeout=BUSY_TIMEOUT_SECONDS
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    scheme, colon, rest = url.partition(":")
    if scheme in {"postgresql", "postgres"}:
        scheme = PSYCOPG
    is_postgres = scheme == PSYCOPG
    try:
        engine = create_engine(
            scheme + colon + rest,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=BUSY_TIMEOUT_SECONDS,
            connect_args=POSTGRES_LIMITS if is_postgres else {},
        )
    except ModuleNotFoundError as error:
        hint = "; install requirements-postgres.txt" if is_postgres else ""
        raise StoreUnavailable(f"PULPO_DATABASE_URL: the driver {error.name} is not installed{hint}.") from error
    except ArgumentError as error:  # its message would show the password
        raise StoreUnavailable("PULPO_DATABASE_URL: is no SQLAlchemy URL of a known database.") from error
    if is_postgres:
        event.listen(engine, "connect", _prepare_postgres)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction; what the database refuses inside is raised as `StoreUnavailable`.

    A violated constraint is left to the caller as SQLAlchemy's `IntegrityError`.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeoutError) as error:
        log.warning("the user table cannot be used: %s", error)
        raise StoreUnavailable("The user table cannot be used now; try again.") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _prepare_postgres(connection: Any, _record: object) -> None:
    # Set here and not in the connection's options, which some proxies before PostgreSQL refuse.
    connection.execute(f"SET statement_timeout = '{BUSY_TIMEOUT_SECONDS}s'")
    connection.commit()
