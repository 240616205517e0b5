"""Looks at Redis itself: whether it takes a write, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from app.errors import StoreUnavailable
from app.storage.keys import health_probe
from app.storage.redis_client import translating_errors

PROBE_LIFETIME_MS = 60_000
REPORTED = (
    "redis_version",
    "valkey_version",
    "used_memory",
    "maxmemory",
    "maxmemory_policy",
    "uptime_in_seconds",
    "role",
)
PERSISTENCE = ("aof_enabled", "aof_last_write_status", "loading")


class RedisHealthProbe:
    """Asks through the same client as the queues do."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        self._client = client
        self._key = health_probe(prefix)

    def write(self) -> None:
        """Writes a key of our own; raises `StoreUnavailable` or `StoreFull` if that fails."""
        with translating_errors():
            self._client.set(self._key, "1", px=PROBE_LIFETIME_MS)

    def describe(self) -> dict[str, object]:
        """Version, memory, durability and uptime as the server tells them; why not, if it does not answer."""
        try:
            with translating_errors():
                told = {**self._client.info("everything"), **self._fsync()}
        except StoreUnavailable as error:
            return {"status": "fail", "detail": error.detail}
        return {"status": "pass"} | {
            name: told[name] for name in (*REPORTED, *PERSISTENCE, "appendfsync") if name in told
        }

    def _fsync(self) -> Mapping[Any, Any]:
        try:
            return dict(self._client.config_get("appendfsync"))
        except ResponseError:
            return {}  # Managed services and ACLs keep CONFIG to themselves.
