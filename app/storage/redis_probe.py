"""Looks at Redis itself: whether it takes a write, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from redis.exceptions import NoPermissionError, ResponseError

from app import patience
from app.errors import PulpoError, StoreFull, StoreUnavailable
from app.storage.keys import health_probe
from app.storage.lines import Servers, Shard
from app.storage.redis_client import translating_errors

PROBE_LIFETIME_MS = 60_000
MOST_AT_ONCE = 16  # primaries that are asked at the same time

Answer = TypeVar("Answer")
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
    """Asks every primary, all at once. `replicas`: how many a durable push waits for."""

    def __init__(self, servers: Servers, *, prefix: str, replicas: int) -> None:
        self._servers = servers
        self._key = health_probe(prefix)
        self._replicas = replicas

    def write(self) -> str | None:
        """Writes a key of our own to each. What is wrong where some do not take it; None if all do.

        Raises `StoreUnavailable` or `StoreFull` if none does.
        """
        found = self._of_each(
            lambda shard: self._servers.execute_command("SET", shard.key, "1", "PX", PROBE_LIFETIME_MS)
        )
        failed = {slots: answer for slots, answer in found.items() if isinstance(answer, PulpoError)}
        return "; ".join(_of_shard(slots, error.detail) for slots, error in failed.items()) or None

    def dangers(self) -> dict[str, str | None]:
        """What may lose messages though Redis answers, in a sentence; None where there is no danger."""
        found: dict[str, str | None] = {}
        for slots, dangers in self._of_each(self._dangers_of).items():
            if not isinstance(dangers, PulpoError):  # else `write` has told so, or will
                for name, what in dangers.items():
                    found[name] = found.get(name) or (what and _of_shard(slots, what))
        return found

    def measures(self) -> dict[str, dict[str, float]]:
        """Figures of each primary by the name of a metric, by its slots. Raises `StoreUnavailable` if none answers."""
        return {
            slots: {"up": 0.0} if isinstance(told, PulpoError) else _measures(told)
            for slots, told in self._of_each(_everything).items()
        }

    def describe(self) -> dict[str, object]:
        """Version, memory, durability and uptime as the servers tell them; why not, if they do not answer."""
        whole: dict[str, object] = {"status": "pass", "topology": self._servers.topology}
        try:
            found = self._of_each(lambda shard: {**_everything(shard), **_fsync(shard)})
        except StoreUnavailable as error:
            return whole | {"status": "fail", "detail": error.detail}
        answered = [told for told in found.values() if not isinstance(told, PulpoError)]
        whole["durability"] = {
            "push": " ".join(dict.fromkeys(_promise(told) for told in answered)),
            "durable_push": _durable_promise(self._replicas),
        }
        if self._servers.topology != "cluster":
            return whole | _reported(answered[0])
        shards = [{"slots": slots, **_reported_or_not(told)} for slots, told in found.items()]
        return whole | {"status": "pass" if len(answered) == len(shards) else "warn", "shards": shards}

    def _dangers_of(self, shard: Shard) -> dict[str, str | None]:
        try:
            told = shard.client.info("memory", "persistence", "replication")
        except NoPermissionError:
            return {"persistence": "Pulpo may not ask Redis how it keeps messages; allow INFO."}
        return {
            "eviction": _eviction(told),
            "persistence": _persistence(told),
            "replicas": _replicas(told, self._replicas),
        }

    def _of_each(self, ask: Callable[[Shard], Answer]) -> dict[str, Answer | PulpoError]:
        """What `ask` finds of each primary, by its slots, or why it does not answer. Raises if none answers."""
        with translating_errors():
            shards = self._servers.shards(self._key)
        if len(shards) == 1:
            with translating_errors():
                return {shards[0].slots: ask(shards[0])}
        with ThreadPoolExecutor(max_workers=min(MOST_AT_ONCE, len(shards))) as threads:
            answers = list(threads.map(patience.handed_on(lambda shard: _answer_or_error(ask, shard)), shards))
        errors = [answer for answer in answers if isinstance(answer, PulpoError)]
        if len(errors) == len(shards):
            raise errors[0]
        return {shard.slots: answer for shard, answer in zip(shards, answers, strict=True)}


def _answer_or_error(ask: Callable[[Shard], Answer], shard: Shard) -> Answer | PulpoError:
    try:
        with translating_errors():
            return ask(shard)
    except (StoreUnavailable, StoreFull) as error:
        return error


def _of_shard(slots: str, what: str) -> str:
    return f"The primary of the slots {slots}: {what}" if slots else what


def _everything(shard: Shard) -> Mapping[str, Any]:
    told: Mapping[str, Any] = shard.client.info("everything")
    return told


def _fsync(shard: Shard) -> Mapping[Any, Any]:
    try:
        return dict(shard.client.config_get("appendfsync"))
    except ResponseError:
        return {}  # Managed services and ACLs keep CONFIG to themselves.


def _measures(told: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(told[field]) for name, field in MEASURED.items() if field in told} | {
        "up": 1.0,
        "aof_write_ok": float(told.get("aof_last_write_status", "ok") == "ok"),
        "noeviction": float(told.get("maxmemory_policy") == "noeviction"),
    }


def _reported(told: Mapping[str, Any]) -> dict[str, object]:
    return {name: told[name] for name in (*REPORTED, *PERSISTENCE, "appendfsync") if name in told}


def _reported_or_not(told: Mapping[str, Any] | PulpoError) -> dict[str, object]:
    if isinstance(told, PulpoError):
        return {"status": "fail", "detail": told.detail}
    return {"status": "pass"} | _reported(told)


def _promise(told: Mapping[str, Any]) -> str:
    """What an answered push outlives, where nothing more was asked for."""
    if not told.get("aof_enabled"):
        kept = "Redis has it in memory; a restart of Redis loses it."
    elif told.get("appendfsync") == "always":
        kept = "Redis has it on disk."
    else:
        kept = "Redis has it in its append-only file; the end of its machine can lose the last second."
    if told.get("connected_slaves"):
        kept += " A replica that takes over may lack the last moments."
    return kept


def _durable_promise(replicas: int) -> str:
    also = f" and in the memory of {replicas} replica{'s' * (replicas > 1)}" if replicas else ""
    return f"Redis has it on disk{also}, or the answer is 503 not-durable."


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


def _replicas(told: Mapping[str, Any], wanted: int) -> str | None:
    connected = told.get("connected_slaves", 0)
    if connected < wanted:
        return "Fewer replicas of Redis are connected than PULPO_DURABLE_REPLICAS; durable pushes are refused."
    if connected > wanted > 0:
        return "More replicas are connected than PULPO_DURABLE_REPLICAS; one without a durable push may take over."
    return None
