"""Ends and freezes primaries under a real service, and prints how long it took until pushes went on.

    python -m tests.failover.recovery [--rounds 10]

All times count from the fault. It fails where an answer took longer than 5 s, or was neither 201 nor 503.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import NamedTuple

import httpx
from tabulate import tabulate

from tests.failover.calls import AWAY_SECONDS, BOUND_SECONDS, primary_of_default
from tests.service import running
from tests.topologies import Cluster, SentinelSet, Topology, until

FAULTS = {"kill": "kill -9", "freeze": "SIGSTOP"}
TOPOLOGIES: dict[str, Callable[..., Topology]] = {"Sentinel": SentinelSet, "Cluster": Cluster}
CLIENTS = 4
PAUSE_SECONDS = 0.02
MORE_SECONDS = 1.0  # to see whether a 503 follows the first success
HEAD = ("topology", "fault", "503 until", "first success", "slowest answer", "answers 503")


class Answer(NamedTuple):
    """What became of one push: seconds since the fault when it was asked and answered, and its status."""

    asked: float
    answered: float
    status: int


class Recovery(NamedTuple):
    """Seconds since the fault, but for the slowest answer, which is counted from its request."""

    refused_until: float
    first_success: float
    slowest: float
    refused: int

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Recovery:
        refused = [each.answered for each in answers if each.status != 201]
        return cls(
            max(refused, default=0.0),
            min(each.answered for each in answers if each.status == 201),
            max(each.answered - each.asked for each in answers),
            len(refused),
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds: int = parser.parse_args(arguments).rounds
    rows, slowest = [], 0.0
    for name, make in TOPOLOGIES.items():
        with (
            make(fsync="always") as topology,
            running(PULPO_REDIS_URL=topology.url) as service,
            httpx.Client(
                base_url=service.url, headers={"Authorization": f"Bearer {service.token()}"}, timeout=30
            ) as client,
        ):
            for fault, called in FAULTS.items():
                found = [recovery(client, topology, fault) for _ in range(rounds)]
                rows.append(row(name, called, found))
                slowest = max(slowest, *(each.slowest for each in found))
    print(f"{rounds} rounds each; seconds, median and longest\n\n{tabulate(rows, HEAD, 'github')}")
    return 0 if slowest < BOUND_SECONDS else 1


def recovery(client: httpx.Client, topology: Topology, fault: str) -> Recovery:
    """Lets `fault` happen to the primary while clients push, and says what they saw."""
    topology.heal()
    until(lambda: push(client) == 201)
    getattr(primary_of_default(topology), fault)()
    began_at, answers, is_over = time.monotonic(), list[Answer](), threading.Event()

    def pushes() -> None:
        while not is_over.is_set():
            asked = time.monotonic() - began_at
            status = push(client)
            answers.append(Answer(asked, time.monotonic() - began_at, status))
            time.sleep(PAUSE_SECONDS)

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(pushes) for _ in range(CLIENTS)]
        try:
            until(lambda: any(each.status == 201 for each in answers.copy()), AWAY_SECONDS)
            time.sleep(MORE_SECONDS)
        finally:
            is_over.set()
        for each in clients:
            each.result()
    return Recovery.of(answers)


def push(client: httpx.Client) -> int:
    """The status of a push; a refusal says when to try again."""
    answer = client.post("/push", json={"message": "beat"})
    assert answer.status_code == 201 or (answer.status_code == 503 and "Retry-After" in answer.headers), answer.text
    return answer.status_code


def row(topology: str, fault: str, found: Sequence[Recovery]) -> tuple[str, ...]:
    *seconds, refused = zip(*found, strict=True)
    return (topology, fault, *(f"{median(each):.2f}, {max(each):.2f}" for each in seconds), str(sum(refused)))


if __name__ == "__main__":
    sys.exit(main())
