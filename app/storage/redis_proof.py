"""Proves that what a connection wrote is on disk, and on replicas: before a write that it can, after it that it is."""

from __future__ import annotations

import time
from collections.abc import Mapping

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from app import patience
from app.errors import NotDurable
from app.storage.redis_client import translating_errors

PROOF_SECONDS = 1.9  # below the timeout of a command
WAITAOF_IS_TRUE_SINCE = (8, 0)  # of Redis; before that and in Valkey it may come before the disk (decision 0015)


class DurabilityProof:
    """For one Redis; `replicas`: how many must have a write beside the server itself."""

    def __init__(self, *, replicas: int) -> None:
        self._replicas = replicas

    def check(self, connection: Redis) -> bool:
        """Whether WAITAOF is there to prove it. Raises `NotDurable` if nothing is."""
        with translating_errors():
            return self._check(connection)

    def _check(self, connection: Redis) -> bool:
        try:
            told = connection.info("server", "persistence", "replication")
        except NoPermissionError as error:
            raise NotDurable("Pulpo may not ask this Redis how it keeps what is written: allow INFO.") from error
        if not told.get("aof_enabled"):
            raise NotDurable("This Redis keeps no append-only file; set appendonly yes, or send no Prefer.")
        if told.get("connected_slaves", 0) < self._replicas:
            raise NotDurable(f"PULPO_DURABLE_REPLICAS is {self._replicas}, and fewer replicas are connected now.")
        if "valkey_version" not in told and _version(told["redis_version"]) >= WAITAOF_IS_TRUE_SINCE:
            _check_that_it_can_wait(connection)
            return True
        if not _writes_before_it_answers(connection):
            raise NotDurable(
                "This server cannot prove when a write is on disk: set appendfsync always (PULPO_FSYNC=always for the"
                " embedded one), or take Redis 8 or newer."
            )
        return False

    def prove(self, connection: Redis, *, by_waiting: bool) -> bool:
        """Returns True once all that `connection` wrote is safe, False if that is not proven in 2 s."""
        now = time.monotonic()
        deadline = now + min(PROOF_SECONDS, patience.left(now))
        try:
            if by_waiting:
                is_safe = connection.waitaof(1, 0, _milliseconds_to(deadline))[0] >= 1
            else:
                is_safe = _writes_before_it_answers(connection)
            if is_safe and self._replicas:
                is_safe = time.monotonic() < deadline and self._have_replicas(connection, deadline)
        except RedisError:
            return False
        return is_safe

    def _have_replicas(self, connection: Redis, deadline: float) -> bool:
        return bool(connection.wait(self._replicas, _milliseconds_to(deadline)) >= self._replicas)


def _check_that_it_can_wait(connection: Redis) -> None:
    try:
        connection.waitaof(0, 0, 1)
    except ResponseError as error:
        raise NotDurable("Pulpo may not ask this Redis when a write is on disk: allow WAITAOF.") from error
    if _policy(connection).get("appendfsync") == "no":
        raise NotDurable("This Redis leaves it to its system when to write to disk; set appendfsync everysec.")


def _writes_before_it_answers(connection: Redis) -> bool:
    told = _policy(connection)
    return told.get("appendfsync") == "always" and told.get("appendonly") == "yes"


def _policy(connection: Redis) -> Mapping[str | None, str | None]:
    """How it writes to disk; nothing if it does not say."""
    try:
        return dict(connection.config_get("appendfsync", "appendonly"))
    except ResponseError:
        return {}  # managed services and ACLs keep CONFIG to themselves


def _milliseconds_to(deadline: float) -> int:
    return max(1, int((deadline - time.monotonic()) * 1000))


def _version(text: str) -> tuple[int, int]:
    major, minor, *_ = text.split(".")
    return int(major), int(minor)
