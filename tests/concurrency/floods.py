"""Floods a service with wrong logins from many addresses, and sees who is served meanwhile.

    python -m tests.concurrency.floods [--logins 10000]

None gets in. Meanwhile one machine pushes and pops by its API key, and one user logs in now and then. Prints the p99 of
both, the memory of the server before and after, and what the audit log tells of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx

from tests.service import Service

ATTACKERS = 8
ADDRESSES = 250
NAMES = ("admin", "bob", "root", "nobody-knows", "not a name")
MOST_MORE_BYTES = 200 * 1024 * 1024
USER = {"username": "ann", "password": "a long enough password", "roles": ["producer", "consumer"]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logins", type=int, default=10_000)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_TRUSTED_PROXIES="127.0.0.1", PULPO_THREADS="16")
        try:
            service.start()
            return flood(service, asked.logins)
        finally:
            service.kill()


def flood(service: Service, logins: int) -> int:
    """Runs it; returns 0 if nobody got in, others were served and the memory stayed bounded."""
    admin = {"Authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=service.url, headers=admin, timeout=30) as client:
        client.post("/users", json=USER).raise_for_status()
        permissions = ["push:*", "pop:*"]
        key = (
            client.post("/keys", json={"name": "machine", "permissions": permissions}).raise_for_status().json()["key"]
        )
        before, is_over = resident(service), Event()
        with ThreadPoolExecutor(ATTACKERS + 2) as pool:
            machine = pool.submit(work, service.url, key, is_over)
            user = pool.submit(log_in_now_and_then, service.url, is_over)
            shares = [range(place, logins, ATTACKERS) for place in range(ATTACKERS)]
            started = time.monotonic()
            answers = sum(pool.map(lambda share: attack(service.url, share), shares), Counter[int]())
            seconds = time.monotonic() - started
            is_over.set()
        entries = client.get("/audit?action=login&limit=1000").raise_for_status().json()["entries"]
    more = resident(service) - before
    refused = [entry for entry in entries if entry["outcome"] == "refused"]
    tries = sum(entry["times"] for entry in refused)
    print(f"{logins} wrong logins in {seconds:.0f} s: {dict(answers)}; {tries} reached a hash")
    print(f"audit log: {len(refused)} entries of {ADDRESSES} addresses tell of them")
    print(f"meanwhile push and pop by API key: {told(machine.result())}")
    print(f"meanwhile a login that is right: {told(user.result())}")
    print(f"memory of the server: {before / 2**20:.0f} MiB before, {more / 2**20:+.0f} MiB after")
    is_good = answers.keys() <= {401, 429} and len(machine.result()) > 10 and len(user.result()) > 1
    return 0 if is_good and more < MOST_MORE_BYTES else 1


def attack(url: str, numbers: range) -> Counter[int]:
    """Tries wrong passwords, each time from another of the addresses; counts the statuses."""
    statuses = Counter[int]()
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in numbers:
            address = f"198.51.{number % ADDRESSES}.7"
            wrong = {"username": NAMES[number % len(NAMES)], "password": f"guess number {number}"}
            statuses[client.post("/login", json=wrong, headers={"X-Forwarded-For": address}).status_code] += 1
    return statuses


def work(url: str, key: str, is_over: Event) -> list[float]:
    """Pushes and pops until it is over; how long each took, in seconds."""
    took = []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        while not is_over.is_set():
            for path, body in (("/push", {"message": 1}), ("/pop", {})):
                started = time.monotonic()
                client.post(path, json=body).raise_for_status()
                took.append(time.monotonic() - started)
            time.sleep(0.02)
    return took


def log_in_now_and_then(url: str, is_over: Event) -> list[float]:
    """Logs in from an address that nobody attacks from, under a name that nobody tries; how long each took.

    Whoever finds no place among those who are checked tries again at once, as a person would.
    """
    took = []
    with httpx.Client(base_url=url, headers={"X-Forwarded-For": "203.0.113.9"}, timeout=30) as client:
        while not is_over.is_set():
            started = time.monotonic()
            answer = client.post("/login", json={name: USER[name] for name in ("username", "password")})
            if answer.status_code == 200:
                took.append(time.monotonic() - started)
            time.sleep(0.05 if answer.status_code == 429 else 0.2)
    return took


def told(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return f"{len(seconds)} times"
    p99 = statistics.quantiles(seconds, n=100)[98]
    return f"{len(seconds)} times, p50 {statistics.median(seconds) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"


def resident(service: Service) -> int:
    redis = service.redis().pid
    return sum(process.memory_info().rss for process in service.processes() if process.pid != redis)


if __name__ == "__main__":
    sys.exit(main())
