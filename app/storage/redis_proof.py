"""Proves that what a connection wrote is on disk, and on replicas: before a write that it can, after it that it is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from app.errors import NotDurable
from app.storage.redis_client import translating_errors

PROOF_SECONDS = 1.9  # below the timeout of a command
WAITAOF_SINCE = (7, 2)


class DurabilityProof:
    """For one Redis; `replicas`: how many must have a write beside the server itself."""

    def __init__(self, *, replicas: int) -> None:
        self._replicas = replicas

    def check(self, connection: Redis) -> bool:
        """Whether WAITAOF is there to prove it. Raises `NotDurable` if nothing is."""
        with translating_errors():
            try:
                told = connection.info("server", "persistence", "replication")
            except NoPermissionError as error:
                raise NotDurable("Pulpo may not ask this Redis how it keeps what is written: allow INFO.") from error
        if not told.get("aof_enabled"):
            raise NotDurable("This Redis keeps no append-only file; set appendonly yes, or push without Prefer.")
        if told.get("connected_slaves", 0) < self._replicas:
            raise NotDurable(f"PULPO_DURABLE_REPLICAS is {self._replicas}, and fewer replicas are connected now.")
        if _version(told["redis_version"]) >= WAITAOF_SINCE:
            return True
        if not _writes_before_it_answers(connection):
            raise NotDurable(
                "This Redis cannot say when a write is on disk: take 7.2 or newer, or set appendfsync always."
            )
        return False

    def prove(self, connection: Redis, ids: Sequence[str], *, by_waiting: bool) -> None:
        """Returns once all that `connection` wrote is safe. Raises `NotDurable`, with `ids`, if it is not in 2 s."""
        deadline = time.monotonic() + PROOF_SECONDS
        try:
            if by_waiting:
                is_safe = connection.waitaof(1, 0, _milliseconds_to(deadline))[0] >= 1
            else:
                is_safe = _writes_before_it_answers(connection)
            if is_safe and self._replicas:
                is_safe = connection.wait(self._replicas, _milliseconds_to(deadline)) >= self._replicas
        except RedisError as error:
            raise _not_proven(ids) from error
        if not is_safe:
            raise _not_proven(ids)


def _writes_before_it_answers(connection: Redis) -> bool:
    try:
        told = connection.config_get("appendfsync", "appendonly")
    except ResponseError:
        return False  # managed services and ACLs keep CONFIG to themselves
    return bool(told.get("appendfsync") == "always" and told.get("appendonly") == "yes")


def _milliseconds_to(deadline: float) -> int:
    return max(1, int((deadline - time.monotonic()) * 1000))


def _version(text: str) -> tuple[int, int]:
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def _not_proven(ids: Sequence[str]) -> NotDurable:
    return NotDurable(
        "It was not proven in time that the messages are safe. They may be in the queue; push again with the same"
        " Idempotency-Key to ask for the proof again.",
        ids=ids,
    )
