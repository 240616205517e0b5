"""How soon a service answers after its start, and what a worker's memory does over a million messages.

python -m bench.lifetime [--starts N] [--messages N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import msgspec

from bench.batches import acked
from bench.load import Target, load
from bench.peers import pulpo
from tests.service import Service

SERVERS = ("gunicorn", "granian")
BATCH = 100
CONNECTIONS = 32  # so many that each worker gets some
WARM_UPS = 3


def start_seconds(service: Service) -> float:
    """From the launcher's start to the first answer of /health."""
    started = time.perf_counter()
    service.launch()
    while True:
        try:
            if httpx.get(f"{service.url}/health").status_code == 200:
                return time.perf_counter() - started
        except httpx.TransportError:
            time.sleep(0.01)


def show_starts(server: str, starts: int) -> None:
    """The first start makes secret, user table and admin; the others find them."""
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_SERVER=server)
        try:
            seconds = []
            for _ in range(starts + 1):
                seconds.append(start_seconds(service))
                time.sleep(1)  # until all workers are there
                service.stop()
        finally:
            service.kill()
    first, *later = seconds
    print(f"{server}: first start {first:.2f} s, later ones {statistics.median(later):.2f} s, {max(later):.2f} at most")


def worker_megabytes(target: Target) -> list[int]:
    """What the two largest processes have for themselves, in MiB: the workers."""
    return sorted(each.memory_full_info().uss >> 20 for each in target.processes())[-2:]


def show_memory(server: str, messages: int) -> None:
    """Batches of 100 go through it, push, lease and ack."""
    with pulpo(server) as target:
        batches = msgspec.structs.replace(target, script="batches", environ={**target.environ, "BATCH": str(BATCH)})
        fresh = worker_megabytes(target)
        for _ in range(WARM_UPS):
            load(batches, seconds=1, connections=CONNECTIONS)
        at_rest = worker_megabytes(target)
        while acked(target) < messages:
            load(batches, seconds=2, connections=CONNECTIONS)
        after = worker_megabytes(target)
        print(
            f"{server}: MiB a worker: {fresh} fresh, {at_rest} after {WARM_UPS} s of load, {after} after {messages:,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1_000_000)
    args = parser.parse_args()
    for server in SERVERS:
        show_starts(server, args.starts)
        show_memory(server, args.messages)


if __name__ == "__main__":
    main()
