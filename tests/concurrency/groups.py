"""100 groups, 8 consumers that crash at random, 20,000 messages: order inside every group, and no group stuck.

    python -m tests.concurrency.groups [--messages 20000] [--groups 100] [--seed N]

A consumer that crashes forgets what it has leased, or hangs up on a pop and never sees the answer. A message may only
be delivered once all before it in its group were acked, and while no other of its group is leased.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from tests.service import Service, running

CONSUMERS = 8
BATCH = 500
LEASE_SECONDS = 1
CRASHES = 0.04
HANGS_UP = 0.02
QUEUE = "/queues/groups"
PATIENCE_SECONDS = 240


class Witness:
    """What was sent to be acked, and what is leased, of every group; and each delivery that broke the order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acks_sent: Counter[str] = Counter()
        self._leased: dict[str, tuple[int, float]] = {}
        self.faults: list[str] = []
        self.deliveries = 0

    def deliver(self, group: str, number: int, lease_ends: float, asked_at: float) -> None:
        with self._lock:
            self.deliveries += 1
            if number != self._acks_sent[group] and number != self._acks_sent[group] - 1:
                self.faults.append(f"{group}: {number} came after {self._acks_sent[group]} were acked")
            known, known_ends = self._leased.get(group, (number, 0.0))
            if known_ends > max(asked_at, time.time()) and known >= self._acks_sent[group]:
                self.faults.append(f"{group}: {number} came while {known} was leased")
            self._leased[group] = (number, lease_ends)

    def ack(self, group: str, number: int) -> None:
        """To be called before the ack is sent: from then on the next one may come."""
        with self._lock:
            self._acks_sent[group] = max(self._acks_sent[group], number + 1)

    @property
    def acked(self) -> int:
        with self._lock:
            return self._acks_sent.total()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}")
    with running(PULPO_WORKERS="2") as service:
        return compare(service, asked.messages, asked.groups, asked.seed)


def compare(service: Service, messages: int, groups: int, seed: int) -> int:
    """Runs it; returns 0 if every message was delivered in its order and acked."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    witness, is_done = Witness(), threading.Event()
    started = time.monotonic()
    with (
        httpx.Client(base_url=service.url, headers=headers, timeout=30) as client,
        ThreadPoolExecutor(CONSUMERS + 1) as pool,
    ):
        client.put(QUEUE, json={"max_attempts": 1000}).raise_for_status()
        consumers = [
            pool.submit(consume, service.url, headers, witness, is_done, seed + place) for place in range(CONSUMERS)
        ]
        produce(client, messages, groups)
        while sum(left(client).values()) and time.monotonic() - started < PATIENCE_SECONDS:
            time.sleep(0.2)
        is_done.set()
        crashes = sum(consumer.result() for consumer in consumers)
        rest = left(client)
    print(
        f"{messages} pushed to {groups} groups, {witness.deliveries} deliveries seen, {crashes} crashes,"
        f" {witness.acked} acked, left {rest}, {time.monotonic() - started:.0f} s"
    )
    print(f"{len(witness.faults)} out of order", *witness.faults[:5], sep="\n  ")
    return 1 if witness.faults or any(rest.values()) or witness.acked != messages else 0


def produce(client: httpx.Client, messages: int, groups: int) -> None:
    """Pushes to the groups in turn; the body is the message's number in its group."""
    for first in range(0, messages, BATCH):
        places = range(first, min(first + BATCH, messages))
        batch = [{"message": place // groups, "group": f"group-{place % groups}"} for place in places]
        client.post(f"{QUEUE}/push", json={"messages": batch}).raise_for_status()


def consume(url: str, headers: dict[str, str], witness: Witness, is_done: threading.Event, seed: int) -> int:
    """Takes and acks, and crashes now and then; returns how often."""
    chance, crashes = random.Random(seed), 0
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        while not is_done.is_set():
            if chance.random() < HANGS_UP:
                hang_up(url, headers)
                crashes += 1
            asked_at = time.time()
            taken = client.post(f"{QUEUE}/pop", json={"max": 10, "lease": LEASE_SECONDS}).raise_for_status().json()
            for item in taken["messages"]:
                ends = datetime.fromisoformat(item["lease_expires_at"]).timestamp()
                witness.deliver(item["group"], item["message"], ends, asked_at)
            if not taken["messages"]:
                time.sleep(0.05)
            elif chance.random() < CRASHES:
                crashes += 1
            else:
                for item in taken["messages"]:
                    witness.ack(item["group"], item["message"])
                receipts = [item["receipt"] for item in taken["messages"]]
                client.post("/ack", json={"receipts": receipts}).raise_for_status()
    return crashes


def hang_up(url: str, headers: dict[str, str]) -> None:
    """Sends a pop and leaves."""
    body = json.dumps({"max": 3, "lease": LEASE_SECONDS})
    lines = [f"POST {QUEUE}/pop HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 80)) as connection:
        connection.sendall("\r\n".join([*lines, "", body]).encode())


def left(client: httpx.Client) -> dict[str, int]:
    """How many messages are not done."""
    counts = client.get(f"{QUEUE}/count").raise_for_status().json()
    return {state: counts[state] for state in ("ready", "delayed", "leased", "dead")}


if __name__ == "__main__":
    sys.exit(main())
