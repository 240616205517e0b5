"""What each script costs inside Redis, shallow and deep, beside the least that its layout could cost.

    python -m bench.script_cost [--deep N] [--in-flight N] [--rounds N]

The server's own time a call (INFO commandstats), without the network. `floor` is a script of the bare commands of the
same layout, with no limit, setting, fence, counter or priority; it is measured in the same rounds, so ratios to it hold
on any machine. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from app.models import GiveBack, NewMessage, Receipt
from app.storage.redis_queues import RedisQueueStore
from tests.redis_server import PrivateRedis
from tests.stores import queue_store

BODY = b'"' + b"x" * 98 + b'"'
CALLS = 2_000
BATCH = 1_000
SHALLOW, SHALLOW_IN_FLIGHT = 1_000, 100

FLOORS = {
    "push": "return redis.call('RPUSH', KEYS[1], ARGV[1])",
    "lease": """
        local time = redis.call('TIME')
        local message = redis.call('LPOP', KEYS[1])
        local id = string.sub(message, 1, 16)
        redis.call('HSET', KEYS[2], id, ARGV[1] .. message)
        redis.call('ZADD', KEYS[3], time[1] * 1000 + 30000, id)
        return message""",
    "ack": """
        local entry = redis.call('HGET', KEYS[2], ARGV[1])
        if string.sub(entry, 1, 16) ~= ARGV[2] then return 0 end
        redis.call('HDEL', KEYS[2], ARGV[1])
        redis.call('ZREM', KEYS[3], ARGV[1])
        return 1""",
}
FLOOR_KEYS = ("{floor}:ready", "{floor}:inflight", "{floor}:leased")
NONCE = b"n" * 16

Costs = dict[str, list[float]]


class Meter:
    """Adds the server's microseconds a message to `costs`."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.costs: Costs = defaultdict(list)

    @contextmanager
    def measuring(self, name: str, messages: int) -> Iterator[None]:
        self._client.config_resetstat()
        yield
        stats = self._client.info("commandstats")
        spent = [stats[name]["usec"] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats]
        self.costs[name].append(sum(spent) / messages)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deep", type=int, default=1_000_000)
    parser.add_argument("--in-flight", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    with PrivateRedis("--save", "", "--appendonly", "no") as redis:
        client = Redis.from_url(redis.url)
        server = client.info("server")
        print(f"{server.get('server_name', 'redis')} {server.get('valkey_version', server['redis_version'])}")
        show_memory(client)
        shallow, deep = Meter(client), Meter(client)
        store = queue_store(client)
        warm_up(store, client)
        fill(store, "shallow", SHALLOW, SHALLOW_IN_FLIGHT)
        fill(store, "deep", asked.deep, asked.in_flight)
        fill_floor(client)
        for _ in range(asked.rounds):
            floor_round(client, shallow)
            round_of(store, "shallow", shallow)
            round_of(store, "deep", deep)
        show(shallow.costs, deep.costs)


def fill(store: RedisQueueStore, queue: str, ready: int, in_flight: int) -> None:
    for _ in range(-(-(ready + in_flight) // BATCH)):
        store.push(queue, [NewMessage(BODY)] * BATCH, None)
    for _ in range(-(-in_flight // BATCH)):
        store.pop(queue, limit=min(BATCH, in_flight), lease_ms=3_600_000, key=None)


def warm_up(store: RedisQueueStore, client: Redis) -> None:
    round_of(store, "warm", Meter(client))


def round_of(store: RedisQueueStore, queue: str, meter: Meter) -> None:
    """Each operation alone and in batches; leaves the queue as deep as it was."""
    one = [NewMessage(BODY)]
    with meter.measuring("push", CALLS):
        for _ in range(CALLS):
            store.push(queue, one, None)
    with meter.measuring("lease", CALLS):
        receipts = [lease(store, queue, 1)[0] for _ in range(CALLS)]
    with meter.measuring("extend", CALLS):
        for receipt in receipts:
            store.extend(queue, [receipt], lease_ms=60_000)
    with meter.measuring("ack", CALLS):
        for receipt in receipts:
            store.ack(queue, [receipt])
    with meter.measuring("push", CALLS):
        for _ in range(CALLS):
            store.push(queue, one, None)
    receipts = [lease(store, queue, 1)[0] for _ in range(CALLS)]
    with meter.measuring("nack", CALLS):
        for receipt in receipts:
            store.nack(queue, [receipt], GiveBack(delay_ms=0))
    with meter.measuring("pop", CALLS):
        for _ in range(CALLS):
            store.pop(queue, limit=1, lease_ms=0, key=None)
    with meter.measuring("count", CALLS):
        for _ in range(CALLS):
            store.count(queue)
    for size in (100, 1000):
        batch_round(store, queue, meter, size)


def batch_round(store: RedisQueueStore, queue: str, meter: Meter, size: int) -> None:
    calls = CALLS * 2 // size
    with meter.measuring(f"push by {size}", calls * size):
        for _ in range(calls):
            store.push(queue, [NewMessage(BODY)] * size, None)
    with meter.measuring(f"lease by {size}", calls * size):
        batches = [lease(store, queue, size) for _ in range(calls)]
    with meter.measuring(f"ack by {size}", calls * size):
        for batch in batches:
            store.ack(queue, batch)


def lease(store: RedisQueueStore, queue: str, limit: int) -> list[Receipt]:
    popped = store.pop(queue, limit=limit, lease_ms=60_000, key=None)
    receipts = [Receipt.parse(delivery.receipt or "") for delivery in popped.deliveries]
    return [receipt for receipt in receipts if receipt is not None]


def fill_floor(client: Redis) -> None:
    for _ in range(SHALLOW):
        client.rpush(FLOOR_KEYS[0], new_envelope())


def floor_round(client: Redis, meter: Meter) -> None:
    shas = {name: client.script_load(source) for name, source in FLOORS.items()}

    def run(name: str, *args: bytes) -> Any:
        return client.evalsha(shas[name], len(FLOOR_KEYS), *FLOOR_KEYS, *args)

    with meter.measuring("floor push", CALLS):
        for _ in range(CALLS):
            run("push", new_envelope())
    with meter.measuring("floor lease", CALLS):
        ids = [run("lease", NONCE)[:16] for _ in range(CALLS)]
    with meter.measuring("floor ack", CALLS):
        for message_id in ids:
            run("ack", message_id, NONCE)


def new_envelope() -> bytes:
    return os.urandom(16) + bytes(6) + BODY


def show_memory(client: Redis) -> None:
    """Bytes a message at rest: a queue of 100,000 beside a plain list of the same bodies."""
    before = client.info("memory")["used_memory"]
    for _ in range(100):
        client.rpush("plain", *[BODY] * BATCH)
    plain = client.info("memory")["used_memory"] - before
    client.delete("plain")
    before = client.info("memory")["used_memory"]
    fill(queue_store(client), "memory", 100_000, 0)
    ours = client.info("memory")["used_memory"] - before
    client.flushall()
    print(f"bytes a message of {len(BODY)}: {ours / 1e5:.1f}, plain list {plain / 1e5:.1f}, ratio {ours / plain:.2f}")


def show(shallow: Costs, deep: Costs) -> None:
    print(f"{'us a message':16}{'shallow':>9}{'deep':>9}{'deep/shallow':>14}{'to the floor':>14}")
    for name, values in shallow.items():
        cost = statistics.median(values)
        depth = statistics.median(deep[name]) if name in deep else None
        floor = shallow.get(f"floor {name}")
        print(
            f"{name:16}{cost:9.2f}"
            + (f"{depth:9.2f}{depth / cost:14.2f}" if depth else " " * 23)
            + (f"{cost / statistics.median(floor):14.2f}" if floor else "")
        )


if __name__ == "__main__":
    main()
