"""Brings the user table up to date, once, however many launchers start together."""

from __future__ import annotations

import fcntl
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app.errors import StoreUnavailable

ONE_AT_A_TIME = 0x70756C706F  # "pulpo": the advisory lock of PostgreSQL that launchers share


def migrate(engine: Engine, *, lock_file: Path) -> None:
    """Runs the migrations that `engine`'s database lacks, under an exclusive lock on `lock_file`.

    It keeps the launchers of this machine in line; those of several have PostgreSQL's own lock, which `env.py` takes.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["engine"] = engine
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            command.upgrade(config, "head")
        except DBAPIError as error:
            raise StoreUnavailable(f"The user table cannot be brought up to date: {error.orig}") from error
