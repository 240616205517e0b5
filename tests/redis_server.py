"""Starts real Redis servers that belong to the tests alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import BusyLoadingError, ConnectionError

from app.storage.embedded import find_server, server_command

START_SECONDS = 10.0


class PrivateRedis:
    """A server that only its unix socket reaches; a context that stops it and removes its files.

    The environment's `REDIS_SERVER` chooses the program, so that the suite can be run against several.
    """

    def __init__(self, *options: str, program: str | None = None, variables: Mapping[str, str] | None = None) -> None:
        # Not pytest's tmp_path: a socket's path may have about 100 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="pulpo-redis-"))
        self.socket = self.directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        program = program or os.environ.get("REDIS_SERVER") or find_server()
        command = server_command(program, self.socket, self.directory, "everysec")
        # A locale that compares strings by its own rules, as servers have outside of containers.
        environ = os.environ | {"LC_ALL": "en_US.UTF-8"} | dict(variables or {})
        self.process = subprocess.Popen([*command, *options], env=environ, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        with Redis.from_url(self.url) as client:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(client):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = self.directory / "redis.log"
                    raise RuntimeError(f"Redis did not start: {log.read_text() if log.exists() else 'no log'}")
                time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)
        shutil.rmtree(self.directory)

    def freeze(self) -> None:
        """Makes it take connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (ConnectionError, BusyLoadingError):
        return False
