"""Describes the system: host, versions, Redis, limits, and since when it runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

import msgspec

from app.services.ports import RedisProbe
from app.version import VERSION


class Limits(msgspec.Struct, frozen=True):
    """The bounds that a client meets, from the settings."""

    max_message_bytes: int
    max_request_bytes: int
    max_depth: int
    token_lifetime_seconds: int


class System:
    """This process and its Redis."""

    def __init__(self, redis: RedisProbe, limits: Limits, *, now: Callable[[], float]) -> None:
        self._redis = redis
        self._limits = limits
        self._now = now
        self._started_at = now()

    def describe(self) -> dict[str, object]:
        """What `GET /info` answers; sizes in bytes, times in seconds."""
        return {
            "version": VERSION,
            "python": platform.python_version(),
            "host": {
                "name": platform.node(),
                "system": platform.platform(),
                "cpus": os.cpu_count(),
            },
            "process": {"id": os.getpid(), "uptime": round(self._now() - self._started_at, 1)},
            "redis": self._redis.describe(),
            "limits": self._limits,
        }
