"""Looks at Redis itself: whether it takes a write, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

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
    "connected_slaves",
    "master_link_status",
)
MEASURED = {
    "memory_used_bytes": "used_memory",
    "memory_max_bytes": "maxmemory",
    "connections": "connected_clients",
    "replicas": "connected_slaves",
    "aof_enabled": "aof_enabled",
    "uptime_seconds": "uptime_in_seconds",
}
PERSISTENCE = ("aof_enabled", "aof_last_write_status", "loading")


class RedisHealthProbe:
    """Asks through the same client as the queues do. `replicas`: how many a durable push waits for."""

    def __init__(self, client: Redis, *, prefix: str, replicas: int) -> None:
        self._client = client
        self._key = health_probe(prefix)
        self._replicas = replicas

    def write(self) -> None:
        """Writes a key of our own; raises `StoreUnavailable` or `StoreFull` if that fails."""
        with translating_errors():
            self._client.set(self._key, "1", px=PROBE_LIFETIME_MS)

    def dangers(self) -> dict[str, str | None]:
        """What may lose messages though Redis answers, in a sentence; None where there is no danger."""
        with translating_errors():
            try:
                told = self._client.info("memory", "persistence", "replication")
            except NoPermissionError:
                return {"persistence": "Pulpo may not ask Redis how it keeps messages; allow INFO."}
        return {
            "eviction": _eviction(told),
            "persistence": _persistence(told),
            "replicas": _missing_replicas(told, self._replicas),
        }

    def measures(self) -> dict[str, float]:
        """Figures of the server, by the name of a metric. Raises `StoreUnavailable`."""
        with translating_errors():
            told = self._client.info("everything")
        return {name: float(told[field]) for name, field in MEASURED.items() if field in told} | {
            "aof_write_ok": float(told.get("aof_last_write_status", "ok") == "ok"),
            "noeviction": float(told.get("maxmemory_policy") == "noeviction"),
        }

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


def _eviction(told: Mapping[str, Any]) -> str | None:
    if told.get("maxmemory_policy") == "noeviction":
        return None
    return "Redis throws messages away when it is full; set maxmemory-policy noeviction."


def _persistence(told: Mapping[str, Any]) -> str | None:
    if not told.get("aof_enabled"):
        return "Redis keeps no append-only file, so a restart loses messages; set appendonly yes."
    if told.get("aof_last_write_status", "ok") != "ok":
        return "Redis could not write its append-only file; look at its disk."
    return None


def _missing_replicas(told: Mapping[str, Any], wanted: int) -> str | None:
    if told.get("connected_slaves", 0) >= wanted:
        return None
    return "Fewer replicas of Redis are connected than PULPO_DURABLE_REPLICAS; durable pushes are refused."
