"""Lets 8 consumers take what 8 producers push, of which 30 % never ack, and settles who acked what.

    python -m tests.concurrency.leases [--messages 20000] [--seed N]

Some acks come late, after the message was delivered to somebody else. In the end each message was acked exactly once,
or is a dead letter, and never both; a late ack was honoured only where nobody had taken the message since.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import NamedTuple

import httpx

from tests.service import Service, running

WORKERS = 8
BATCH = 20
LEASE_SECONDS = 1
NEVER_ACKED = 0.3
ACKED_LATE = 0.05
QUEUE = "/queues/leases"


class Tally(NamedTuple):
    """What one consumer saw: how often each id was acked, and how many deliveries and refusals there were."""

    acked: Counter[str]
    deliveries: int
    refused: Counter[str]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}")
    with running(PULPO_WORKERS="2") as service:
        return compare(service, asked.messages, asked.seed)


def compare(service: Service, messages: int, seed: int) -> int:
    """Runs it; returns 0 if every message was acked once or is dead, and never both."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    is_done = Event()
    with (
        httpx.Client(base_url=service.url, headers=headers, timeout=30) as client,
        ThreadPoolExecutor(2 * WORKERS) as pool,
    ):
        client.put(QUEUE, json={"max_attempts": 3}).raise_for_status()
        consumers = [pool.submit(consume, service.url, headers, is_done, seed + place) for place in range(WORKERS)]
        shares = [messages // WORKERS + (place < messages % WORKERS) for place in range(WORKERS)]
        producers = [pool.submit(produce, service.url, headers, share) for share in shares]
        try:
            pushed = {message_id for producer in producers for message_id in producer.result()}
            wait_until_settled(client)
        finally:
            is_done.set()
        tallies = [consumer.result() for consumer in consumers]
        dead = dead_letters(client)
    acked = sum((tally.acked for tally in tallies), Counter[str]())
    refused = sum((tally.refused for tally in tallies), Counter[str]())
    twice = [message_id for message_id, times in acked.items() if times > 1]
    both, lost = acked.keys() & dead, pushed - acked.keys() - dead
    deliveries = sum(tally.deliveries for tally in tallies)
    print(f"{len(pushed)} pushed, {deliveries} deliveries, {len(acked)} acked, {len(dead)} dead")
    print(f"{len(twice)} acked twice, {len(both)} acked and dead, {len(lost)} lost; refused: {dict(refused)}")
    return 0 if len(pushed) == messages and not twice and not both and not lost else 1


def produce(url: str, headers: dict[str, str], count: int) -> list[str]:
    """Pushes `count` messages in batches; returns their ids."""
    ids: list[str] = []
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        for first in range(0, count, BATCH):
            batch = [{"message": number} for number in range(first, min(first + BATCH, count))]
            ids += client.post(f"{QUEUE}/push", json={"messages": batch}).raise_for_status().json()["ids"]
    return ids


def consume(url: str, headers: dict[str, str], is_done: Event, seed: int) -> Tally:
    """Takes batches until everything is settled; acks most at once, some late, some never."""
    chance = random.Random(seed)
    tally = Tally(Counter(), 0, Counter())
    late: list[str] = []
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        while not is_done.is_set():
            taken = client.post(f"{QUEUE}/pop", json={"max": BATCH, "lease": LEASE_SECONDS}).raise_for_status().json()
            tally = tally._replace(deliveries=tally.deliveries + len(taken["messages"]))
            now: list[str] = []
            for item in taken["messages"]:
                draw = chance.random()
                if draw >= NEVER_ACKED + ACKED_LATE:
                    now.append(item["receipt"])
                elif draw >= NEVER_ACKED:
                    late.append(item["receipt"])
            settle(client, now, tally)
            if len(late) > BATCH or not taken["messages"]:
                time.sleep(LEASE_SECONDS * chance.uniform(0.1, 1.5))
                settle(client, late, tally)
                late = []
    return tally


def settle(client: httpx.Client, receipts: list[str], tally: Tally) -> None:
    """Acks `receipts` twice over, of which the second must never be honoured."""
    if not receipts:
        return
    results = client.post("/ack", json={"receipts": receipts * 2}).raise_for_status().json()["results"]
    for result in results:
        if result["status"] == "acked":
            tally.acked[result["id"]] += 1
        else:
            tally.refused[result["status"]] += 1


def wait_until_settled(client: httpx.Client) -> None:
    while True:
        counts = client.get(f"{QUEUE}/count").raise_for_status().json()
        if counts["ready"] == counts["delayed"] == counts["leased"] == 0:
            return
        time.sleep(0.2)


def dead_letters(client: httpx.Client) -> set[str]:
    """The ids of all dead letters, page by page."""
    dead: set[str] = set()
    query: dict[str, str | int] = {"limit": 1000}
    while True:
        page = client.get(f"{QUEUE}/dead", params=query).raise_for_status().json()
        dead |= {letter["id"] for letter in page["messages"]}
        if page["next_cursor"] is None:
            return dead
        query["cursor"] = page["next_cursor"]


if __name__ == "__main__":
    sys.exit(main())
