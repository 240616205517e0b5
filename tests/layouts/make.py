"""Writes down a queue with messages in every state, as this version of Pulpo lays them out.

    python -m tests.layouts.make > tests/layouts/v1.json

To be run by each release that brings a new layout, under a new name. What a release has written is never made anew: the
tests prove that later ones read it. Bytes are written as the characters of Latin-1.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from redis import Redis

from app.models import GiveBack, NewMessage, QueueSettings, Receipt, RequestKey
from app.storage.envelope import VERSION
from app.storage.keys import QueueKeys
from app.storage.redis_queues import RedisQueueStore
from app.version import VERSION as PULPO
from tests.conftest import ACCOUNTS
from tests.redis_server import PrivateRedis
from tests.stores import PREFIX, queue_catalog, queue_store

QUEUE = "kept"
HOUR_MS = 3_600_000
CALLER = ACCOUNTS["admin"].id
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def main() -> None:
    with PrivateRedis() as server, Redis.from_url(server.url) as client:
        queue_catalog(client).configure(QUEUE, QueueSettings(max_attempts=2, lease_ms=60_000))
        receipts = fill(queue_store(client))
        made_at = client.time()
        keys = {bytes(key).decode(): dump(client, key) for key in sorted(client.scan_iter(f"{PREFIX}:*"))}
    keys.pop(QueueKeys.of(PREFIX, QUEUE).waiting, None)
    made = {
        "made_by": f"Pulpo {PULPO}",
        "layout": VERSION,
        "made_at_ms": made_at[0] * 1000 + made_at[1] // 1000,
        "receipts": receipts,
        "keys": keys,
    }
    json.dump(made, sys.stdout, indent=1)
    print()


def fill(store: RedisQueueStore) -> dict[str, str]:
    """Brings a message into each state; answers the receipts of those that are leased, by their bodies."""
    bury(store)
    receipts = lease(store)
    postpone(store)
    end_leases(store)
    make_ready(store)
    return receipts


def bury(store: RedisQueueStore) -> None:
    push(store, "worn out")
    for _ in range(2):
        give_back(store, error="it never works")
    push(store, "rejected", attributes={"source": "shop"})
    give_back(store, dead=True, error="bad order")
    push(store, "expired", ttl_ms=1)
    time.sleep(0.01)
    assert not store.pop(QUEUE, limit=1, lease_ms=HOUR_MS, key=None).deliveries


def lease(store: RedisQueueStore) -> dict[str, str]:
    receipts: dict[str, str] = {}
    push(store, "last attempt")
    give_back(store)
    receipts |= take(store)
    for priority in ("high", "normal", "low"):
        push(store, f"leased {priority}", priority=priority)
        receipts |= take(store)
    push(store, "leased with ttl", ttl_ms=24 * HOUR_MS)
    receipts |= take(store)
    push(store, "leased head", group="a")
    push(store, "follower 1", group="a")
    push(store, "follower 2", group="a", ttl_ms=24 * HOUR_MS)
    receipts |= take(store)
    push(store, "popped under a key")
    return receipts | take(store, key=RequestKey(CALLER, "pop 1"))


def postpone(store: RedisQueueStore) -> None:
    push(store, "given back for later")
    give_back(store, delay_ms=HOUR_MS)
    push(store, "delayed", delay_ms=HOUR_MS)
    push(store, "delayed with ttl", delay_ms=HOUR_MS, ttl_ms=HOUR_MS)


def end_leases(store: RedisQueueStore) -> None:
    """Leaves two leases that ran out, one of them the last; a later pop would see to them."""
    push(store, "spent")
    give_back(store)
    push(store, "overdue")
    store.pop(QUEUE, limit=2, lease_ms=1, key=None)


def make_ready(store: RedisQueueStore) -> None:
    push(store, "ready", body=b"\x00\xff\x1f\x8b", content_type="application/gzip", attributes={"a": "b"})
    push(store, "ready traced", traceparent=TRACE)
    push(store, "ready with ttl", ttl_ms=24 * HOUR_MS)
    push(store, "ready high", priority="high")
    push(store, "ready low", priority="low")
    push(store, "ready head", group="b")
    push(store, "ready follower", group="b")
    push(store, "with a key", key="order-1")
    push(store, "under a key", request_key=RequestKey(CALLER, "push 1"))


def push(store: RedisQueueStore, name: str, *, request_key: RequestKey | None = None, **options: Any) -> None:
    options.setdefault("body", json.dumps(name).encode())
    store.push(QUEUE, [NewMessage(**options)], request_key)


def take(store: RedisQueueStore, key: RequestKey | None = None) -> dict[str, str]:
    """Leases the only ready message for an hour; its receipt by its body."""
    (delivery,) = store.pop(QUEUE, limit=1, lease_ms=HOUR_MS, key=key).deliveries
    assert delivery.receipt is not None
    return {json.loads(delivery.body): delivery.receipt}


def give_back(store: RedisQueueStore, *, delay_ms: int = 0, dead: bool = False, error: str = "") -> None:
    """Leases the only ready message and nacks it."""
    for receipt in take(store).values():
        parsed = Receipt.parse(receipt)
        assert parsed is not None
        store.nack(QUEUE, [parsed], GiveBack(delay_ms, dead, error))


def dump(client: Any, key: bytes) -> dict[str, Any]:  # redis-py leaves open whether it answers bytes or text
    """What `restore` needs to make the key anew."""
    kind = client.type(key).decode()
    value: Any
    if kind == "string":
        value = [_text(client.get(key)), client.pttl(key)]
    elif kind == "list":
        value = [_text(item) for item in client.lrange(key, 0, -1)]
    elif kind == "hash":
        value = {_text(name): _text(item) for name, item in sorted(client.hgetall(key).items())}
    else:
        value = [[_text(member), score] for member, score in client.zrange(key, 0, -1, withscores=True)]
    return {"type": kind, "value": value}


def _text(raw: Any) -> str:
    return bytes(raw).decode("latin-1")


if __name__ == "__main__":
    main()
