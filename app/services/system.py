"""Describes the system: host, versions, Redis, limits, and since when it runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any

import msgspec

from app.services.ports import RedisProbe
from app.version import VERSION


class Limits(msgspec.Struct, frozen=True):
    """The bounds that a client meets, from the settings."""

    max_message_bytes: int
    max_request_bytes: int
    max_depth: int
    token_lifetime_seconds: int


class Host(msgspec.Struct, frozen=True):
    """The machine."""

    name: str
    system: str
    cpus: int | None


class Process(msgspec.Struct, frozen=True):
    """The process that answers; `uptime` in seconds."""

    id: int
    uptime: float


class Info(msgspec.Struct, frozen=True):
    """The system: sizes in bytes, times in seconds; `redis` as the server tells it."""

    version: str
    python: str
    host: Host
    process: Process
    redis: dict[str, Any]
    limits: Limits


class System:
    """This process and its Redis."""

    def __init__(self, redis: RedisProbe, limits: Limits, *, now: Callable[[], float]) -> None:
        self._redis = redis
        self._limits = limits
        self._now = now
        self._started_at = now()

    def measures(self) -> dict[str, dict[str, float]]:
        """Figures of each primary of Redis by the name of a metric, by its slots. Raises `StoreUnavailable`."""
        return self._redis.measures()

    def describe(self) -> Info:
        """What there is to say of it now."""
        return Info(
            VERSION,
            platform.python_version(),
            Host(platform.node(), platform.platform(), os.cpu_count()),
            Process(os.getpid(), round(self._now() - self._started_at, 1)),
            self._redis.describe(),
            self._limits,
        )
