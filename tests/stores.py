"""The stores of a Redis, as `create_app` makes them."""

from __future__ import annotations

from redis import Redis

from app.storage.lines import Commands, Lines
from app.storage.queue_index import QueueIndex
from app.storage.redis_catalog import RedisQueueCatalog
from app.storage.redis_proof import DurabilityProof
from app.storage.redis_queues import RedisQueueStore

PREFIX = "pulpo"


def queue_store(client: Redis, *, lines: Commands | None = None, replicas: int = 0) -> RedisQueueStore:
    sent_by = lines or Lines(client)
    return RedisQueueStore(client, sent_by, _index(client), DurabilityProof(replicas=replicas), prefix=PREFIX)


def queue_catalog(client: Redis) -> RedisQueueCatalog:
    return RedisQueueCatalog(client, _index(client), prefix=PREFIX)


def _index(client: Redis) -> QueueIndex:
    return QueueIndex(client, prefix=PREFIX, most=10_000)
