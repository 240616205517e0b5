"""The stores of a Redis, as `create_app` makes them."""

from __future__ import annotations

from redis import Redis

from app.storage.lines import Lines, Servers
from app.storage.queue_index import QueueIndex
from app.storage.redis_catalog import RedisQueueCatalog
from app.storage.redis_proof import DurabilityProof
from app.storage.redis_queues import RedisQueueStore

PREFIX = "pulpo"


def queue_store(client: Redis, *, servers: Servers | None = None, replicas: int = 0) -> RedisQueueStore:
    proof = DurabilityProof(replicas=replicas)
    return RedisQueueStore(servers or Lines(client), _index(client), proof, prefix=PREFIX)


def queue_catalog(client: Redis, *, servers: Servers | None = None) -> RedisQueueCatalog:
    return RedisQueueCatalog(servers or Lines(client), _index(client), prefix=PREFIX)


def _index(client: Redis) -> QueueIndex:
    return QueueIndex(client, prefix=PREFIX, most=10_000)
