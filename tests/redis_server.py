"""Starts real Redis servers that belong to the tests alone."""

from __future__ import annotations

import os
import re
import secrets
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
LOCALE = os.environ.get("REDIS_LOCALE", "en_US.UTF-8")
ACL_RULES = Path(__file__).resolve().parents[1] / "deploy" / "redis" / "acl-rules"
UNKNOWN_BEFORE_7_2 = ("+waitaof", "+client|setinfo")


class PrivateRedis:
    """A server that only its unix socket reaches; a context that stops it and removes its files.

    The environment's `REDIS_SERVER` chooses the program, so that the suite can be run against several; `REDIS_LOCALE`
    its locale, since Redis 8 does not start with one that the machine lacks. `url` is for the tests themselves;
    `user_url` for what they test: its user may do what `deploy/redis/acl-rules` says.
    """

    def __init__(self, *options: str, program: str | None = None, variables: Mapping[str, str] | None = None) -> None:
        # Not pytest's tmp_path: a socket's path may have about 100 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="pulpo-redis-"))
        self.socket = self.directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.knows_waitaof = self.proves_by_waiting = False
        self._password = secrets.token_hex(16)
        self.user_url = f"unix://pulpo:{self._password}@{self.socket}"
        program = program or os.environ.get("REDIS_SERVER") or find_server()
        command = server_command(program, self.socket, self.directory, "everysec")
        # A locale that compares strings by its own rules, as servers have outside of containers.
        environ = os.environ | {"LC_ALL": LOCALE} | dict(variables or {})
        self.process = subprocess.Popen([*command, *options], env=environ, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        with Redis.from_url(self.url) as client:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(client):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = self.directory / "redis.log"
                    raise RuntimeError(f"Redis did not start: {log.read_text() if log.exists() else 'no log'}")
                time.sleep(0.005)
            self._add_user(client)
        return self

    def _add_user(self, client: Redis) -> None:
        server = client.info("server")
        version = _version(server["redis_version"])
        self.knows_waitaof = version >= (7, 2)
        self.proves_by_waiting = version >= (8, 0) and "valkey_version" not in server
        rules = acl_rules(knows_waitaof=self.knows_waitaof)
        command = ["ACL", "SETUSER", "pulpo", "reset", "on", f">{self._password}", *rules]
        client.execute_command(*command)  # type: ignore[no-untyped-call]

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)
        shutil.rmtree(self.directory)

    def denied(self) -> list[str]:
        """What its user was not allowed to do, though it tried."""
        with Redis.from_url(self.url) as client:
            entries = client.acl_log()
        return [f"{entry['reason']}: {entry['object']}" for entry in entries]

    def freeze(self) -> None:
        """Makes it take connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Makes it go on."""
        self.process.send_signal(signal.SIGCONT)


def acl_rules(*, knows_waitaof: bool) -> list[str]:
    """What a server of Redis 7.2 and newer, or an older one, lets the user `pulpo` do."""
    rules = ACL_RULES.read_text(encoding="ascii").split()
    return rules if knows_waitaof else [rule for rule in rules if rule not in UNKNOWN_BEFORE_7_2]


def rules_for(program: str) -> list[str]:
    """The same for a server that does not run yet."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    version = re.search(r" v=(\d+\.\d+)", told)
    assert version is not None, told
    return acl_rules(knows_waitaof=_version(version[1]) >= (7, 2))


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")[:2]))


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (ConnectionError, BusyLoadingError):
        return False
