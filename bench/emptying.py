"""How long Redis stands still while a queue of a million messages is purged or deleted.

    python -m bench.emptying [--messages 1000000]

The longest step as Redis's own slow log has it, and the longest answer to a PING, which another process sends all the
time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event as EventOf
from pathlib import Path

from redis import Redis

from app.models import MessageState, NewMessage
from app.people import Actor
from app.services.catalog import QueueCatalog
from app.storage.sql.audit import SqlAudit
from app.storage.sql.engine import make_engine
from app.storage.sql.migrate import migrate
from tests.redis_server import PrivateRedis
from tests.stores import queue_catalog, queue_store

BODY = b'"' + b"x" * 98 + b'"'
BATCH = 1_000
QUEUE = "deep"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    asked = parser.parse_args(arguments)
    with PrivateRedis("--slowlog-log-slower-than", "0", "--slowlog-max-len", "20000") as redis:
        client = Redis.from_url(redis.url)
        server = client.info("server")
        print(f"{server.get('server_name', 'redis')} {server.get('valkey_version', server['redis_version'])}")
        for kind in ("ready", "leased", "delayed", "grouped"):
            for name in ("purge one state", "purge all", "delete"):
                fill(client, kind, asked.messages)
                measure(redis, client, f"{name}, {asked.messages} {kind}", act_of(client, redis.directory, name, kind))
                client.flushall()


def fill(client: Redis, kind: str, messages: int) -> None:
    store = queue_store(client)
    new = NewMessage(BODY, delay_ms=3_600_000 * (kind == "delayed"), group="g" if kind == "grouped" else None)
    for _ in range(messages // BATCH):
        store.push(QUEUE, [new] * BATCH, None)
        if kind == "leased":
            store.pop(QUEUE, limit=BATCH, lease_ms=3_600_000, key=None)


def act_of(client: Redis, directory: Path, name: str, kind: str) -> Callable[[], object]:
    engine = make_engine(f"sqlite:///{directory}/pulpo.db")
    migrate(engine, lock_file=directory / "migrate.lock")
    catalog = QueueCatalog(queue_catalog(client), SqlAudit(engine, days=1))
    if name == "delete":
        return lambda: queue_catalog(client).delete(QUEUE)
    states: dict[str, MessageState] = {"leased": "leased", "delayed": "delayed"}
    state = states.get(kind, "ready") if name == "purge one state" else None
    return lambda: catalog.purge(QUEUE, state, by=Actor("bench"))


def measure(redis: PrivateRedis, client: Redis, name: str, act: Callable[[], object]) -> None:
    is_done, longest = multiprocessing.Event(), multiprocessing.Value("d", 0.0)
    pinger = multiprocessing.Process(target=ping, args=[redis.url, is_done, longest])
    pinger.start()
    time.sleep(0.5)
    client.slowlog_reset()
    started = time.monotonic()
    answer = act()
    spent = time.monotonic() - started
    steps = [entry["duration"] for entry in client.slowlog_get(20_000) if not entry["command"].startswith(b"PING")]
    time.sleep(0.5)  # what is freed by another thread is part of it
    is_done.set()
    pinger.join()
    print(
        f"{name}: {spent:.2f} s, longest step {max(steps) / 1000:.1f} ms, longest PING {longest.value * 1000:.1f} ms"
        f" {answer or ''}",
        flush=True,
    )


def ping(url: str, is_done: EventOf, longest: object) -> None:
    client = Redis.from_url(url)
    while not is_done.is_set():
        started = time.perf_counter()
        client.ping()
        longest.value = max(longest.value, time.perf_counter() - started)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
