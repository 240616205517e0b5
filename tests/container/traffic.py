"""Traffic against a Pulpo that is up: who pushes, who takes, who waits; and whether anything was lost or failed.

Usage: python -m tests.container.traffic WHAT URL PASSWORD_FILE [RECORD] [--ca FILE] [--most-unanswered N]
  push            pushes until SIGTERM; each push that was answered 201 is a line of RECORD
  drain           takes all; fails if one of RECORD is missing
  until-it-stops  pushes, takes and waits until nobody listens any more; fails if more than N requests get no answer
"""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

QUEUE = "traffic"
PUSHERS, TAKERS, WAITERS = 6, 2, 6
GRANIAN_LEAVES = PUSHERS + TAKERS + WAITERS  # it closes what it accepted and has not read: one of each client at most


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["push", "drain", "until-it-stops"])
    parser.add_argument("url")
    parser.add_argument("password_file", type=Path)
    parser.add_argument("record", type=Path, nargs="?")
    parser.add_argument("--ca", type=Path)
    parser.add_argument("--most-unanswered", type=int, default=0)
    given = parser.parse_args()
    trust = ssl.create_default_context(cafile=given.ca) if given.ca else ssl.create_default_context()
    with httpx.Client(base_url=given.url, verify=trust, timeout=30) as client:
        password = given.password_file.read_text().strip()
        answer = client.post("/login", data={"username": "admin", "password": password})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        if given.what == "push":
            return push(client, given.record)
        if given.what == "drain":
            return drain(client, given.record)
        return until_it_stops(given.url, dict(client.headers), most_unanswered=given.most_unanswered)


def push(client: httpx.Client, record: Path) -> int:
    """Pushes numbers from several threads; whatever fails is sent again with the same Idempotency-Key."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    tries = failures = 0
    lock = threading.Lock()

    def work(worker: int, lines: object) -> None:
        nonlocal tries, failures
        number = 0
        while not stop.is_set():
            name = f"{worker}-{number}"
            headers = {"Idempotency-Key": name}
            try:
                answer = client.post(f"/queues/{QUEUE}/push", json={"message": name}, headers=headers)
                status = answer.status_code
            except httpx.TransportError:
                status = 0
            with lock:
                tries += 1
                if status in {200, 201}:
                    number += 1
                    print(name, file=lines, flush=True)  # type: ignore[call-overload]
                else:
                    failures += 1
            if status not in {200, 201}:
                time.sleep(0.1)

    with record.open("w") as lines, ThreadPoolExecutor(PUSHERS) as pool:
        for each in [pool.submit(work, worker, lines) for worker in range(PUSHERS)]:
            each.result()
    print(f"{tries} pushes sent, {failures} of them in vain and sent again, {tries - failures} answered 201")
    return 0


def drain(client: httpx.Client, record: Path) -> int:
    """Leases and acknowledges until nothing is left; compares with what was pushed."""
    taken: list[str] = []
    while True:
        leased = client.post(f"/queues/{QUEUE}/pop", json={"max": 1000, "lease": 60}).raise_for_status().json()
        if not leased["messages"]:
            break
        taken += [delivery["message"] for delivery in leased["messages"]]
        receipts = [delivery["receipt"] for delivery in leased["messages"]]
        client.post("/ack", json={"receipts": receipts}).raise_for_status()
    pushed = set(record.read_text().split())
    lost = pushed - set(taken)
    print(
        f"{len(pushed)} were answered 201, {len(taken)} were there, {len(lost)} lost, "
        f"{len(taken) - len(set(taken))} twice"
    )
    return 1 if lost or not pushed else 0


def until_it_stops(url: str, headers: dict[str, str], *, most_unanswered: int = 0) -> int:
    """Each request on a connection of its own, as curl does it: so one that got through must be answered."""
    done = threading.Event()
    results: list[str] = []
    trust = ssl.create_default_context()  # one for all: to make it costs more than a request

    def work(path: str, body: dict[str, object]) -> None:
        while not done.is_set():
            try:
                with httpx.Client(headers=headers | {"Connection": "close"}, verify=trust, timeout=40) as client:
                    answer = client.post(f"{url}{path}", json=body)
                results.append(str(answer.status_code))
            except httpx.ConnectError:
                done.set()  # nobody listens any more
            except httpx.TransportError as error:
                results.append(repr(error))

    with ThreadPoolExecutor(PUSHERS + TAKERS + WAITERS) as pool:
        for _ in range(PUSHERS):
            pool.submit(work, "/queues/load/push", {"message": "x" * 1000})
        for _ in range(TAKERS):
            pool.submit(work, "/queues/load/pop", {"max": 10, "lease": 30})
        for _ in range(WAITERS):
            pool.submit(work, "/queues/nothing-comes/pop", {"wait": 20, "lease": 30})
    counts = {result: results.count(result) for result in sorted(set(results))}
    print(counts)
    answered = counts.pop("200", 0), counts.pop("201", 0)
    return 0 if all(answered) and sum(counts.values()) <= most_unanswered else 1


if __name__ == "__main__":
    sys.exit(main())
