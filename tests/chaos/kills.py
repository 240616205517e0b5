"""Kills a worker, all of the server, or its Redis (`always`) under load, and looks for what was promised.

    python -m tests.chaos.kills [--rounds 20] [--seed N] [--durable]

With `--durable`, each push asks for the proof that it lasts, and only Redis is killed.

No push that was answered 201 is lost, and nothing whose ack was answered 200 is delivered afterwards. A call without
an answer may have happened or not.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.service import SERVER, Service, wait_until

PRODUCERS, CONSUMERS = 3, 3
LEASE_SECONDS = 1
QUEUE = "/queues/kills"
VICTIMS = ("worker", "server", "redis")
NOT_KNOWN = 0  # in the place of a status: it was not answered, or by 503


class Record:
    """What was answered, by the numbers that were pushed. Thread-safe: each call changes or reads one set."""

    def __init__(self) -> None:
        self.numbers = count()
        self.pushed: set[int] = set()
        self.acked: set[int] = set()
        self.maybe_acked: set[int] = set()
        self.returned: set[int] = set()

    def deliver(self, number: int, acked_before: set[int]) -> None:
        """Notes a delivery that was asked for when `acked_before` had been acked."""
        if number in acked_before:
            self.returned.add(number)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--durable", action="store_true")
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}")
    chance, record = random.Random(asked.seed), Record()
    victims = ("redis",) if asked.durable else VICTIMS
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_FSYNC="always", PULPO_WORKERS="2")
        try:
            service.start()
            headers = {"Authorization": f"Bearer {service.token()}"}
            if asked.durable:
                headers["Prefer"] = "durable"
            httpx.put(f"{service.url}{QUEUE}", json={"max_attempts": 1000}, headers=headers).raise_for_status()
            for number in range(asked.rounds):
                run_round(service, headers, victims[number % len(victims)], record, chance)
            drain(service, headers, record)
        finally:
            service.kill()
    return verdict(record)


def run_round(service: Service, headers: dict[str, str], kind: str, record: Record, chance: random.Random) -> None:
    pushed, acked = len(record.pushed), len(record.acked)
    with load(service, headers, record):
        time.sleep(chance.uniform(0.5, 2))
        killed_at = time.monotonic()
        kill(service, kind, chance)
        wait_until(lambda: answers(service), seconds=20)
        back = time.monotonic() - killed_at
        time.sleep(0.5)
    print(
        f"{kind:7} killed: {len(record.pushed) - pushed} pushed and {len(record.acked) - acked} acked around it,"
        f" healthy after {back:.1f} s",
        flush=True,
    )


@contextmanager
def load(service: Service, headers: dict[str, str], record: Record) -> Iterator[None]:
    """Pushes and consumes for as long as the block runs; what fails is tried again."""
    is_done = threading.Event()
    with ThreadPoolExecutor(PRODUCERS + CONSUMERS) as pool:
        roles = [produce] * PRODUCERS + [consume] * CONSUMERS
        workers = [pool.submit(role, service, headers, record, is_done) for role in roles]
        try:
            yield
        finally:
            is_done.set()
        for worker in workers:
            worker.result()


def produce(service: Service, headers: dict[str, str], record: Record, is_done: threading.Event) -> None:
    with httpx.Client(headers=headers, timeout=10) as client:
        while not is_done.is_set():
            numbers = [next(record.numbers) for _ in range(3)]
            status, _ = call(client, service, f"{QUEUE}/push", {"messages": [{"message": each} for each in numbers]})
            if status == 201:
                record.pushed.update(numbers)


def consume(service: Service, headers: dict[str, str], record: Record, is_done: threading.Event) -> None:
    with httpx.Client(headers=headers, timeout=10) as client:
        while not is_done.is_set():
            take(client, service, record)


def take(client: httpx.Client, service: Service, record: Record) -> int | None:
    """Pops and acks a few; says how many came, None if that is not known."""
    acked_before = record.acked.copy()
    status, popped = call(client, service, f"{QUEUE}/pop", {"max": 10, "lease": LEASE_SECONDS})
    numbers = {item["receipt"]: item["message"] for item in popped.get("messages", [])}
    if not numbers:
        return None if status == NOT_KNOWN else 0
    for number in numbers.values():
        record.deliver(number, acked_before)
    status, answer = call(client, service, "/ack", {"receipts": list(numbers)})
    if status == NOT_KNOWN:
        record.maybe_acked.update(numbers.values())
    for number, result in zip(numbers.values(), answer.get("results", ()), strict=False):
        if result["status"] == "acked":
            record.acked.add(number)
    return len(numbers)


def call(client: httpx.Client, service: Service, path: str, json: object) -> tuple[int, dict[str, Any]]:
    """Status and answer of a call that is never sent again; `NOT_KNOWN` and nothing if it may have happened or not."""
    try:
        answer = client.post(f"{service.url}{path}", json=json)
    except httpx.TransportError:
        time.sleep(0.02)
        return NOT_KNOWN, {}
    if answer.status_code == 503:
        time.sleep(0.02)
        return NOT_KNOWN, {}
    assert answer.status_code in (200, 201), answer.text
    return answer.status_code, answer.json()


def kill(service: Service, kind: str, chance: random.Random) -> None:
    if kind == "redis":
        service.redis().send_signal(signal.SIGKILL)
        return
    assert service.process is not None
    workers = [process for process in psutil.Process(service.process.pid).children() if SERVER in command(process)]
    if kind == "worker":
        chance.choice(workers).send_signal(signal.SIGKILL)
        return
    service.process.send_signal(signal.SIGKILL)
    for process in workers:
        process.send_signal(signal.SIGKILL)
    service.start()


def command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def answers(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/health", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def drain(service: Service, headers: dict[str, str], record: Record) -> None:
    """Takes all that is left, once the leases have ended."""
    with httpx.Client(headers=headers, timeout=10) as client:
        time.sleep(LEASE_SECONDS + 0.2)
        while not record.returned:
            taken = take(client, service, record)
            if taken == 0:
                return


def verdict(record: Record) -> int:
    """Prints what became of everything; 0 if every promise was kept."""
    lost = record.pushed - record.acked - record.maybe_acked
    print(
        f"{len(record.pushed)} answered 201, {len(record.acked)} acked; {len(lost)} lost, {len(record.returned)} back"
    )
    return 1 if lost or record.returned or not record.pushed else 0


if __name__ == "__main__":
    sys.exit(main())
