"""Full cycles (push, lease, ack) a second in batches over HTTP, with each server; counted by Redis, in acks.

python -m bench.batches [--rounds N] [--seconds N] [--connections N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack

import httpx
import msgspec

from bench.load import Target, load
from bench.peers import pulpo

SIZES = (100, 1_000)
SERVERS = ("gunicorn", "granian")


def acked(target: Target) -> int:
    """How many messages of the default queue were acked in its life."""
    headers = {"Authorization": f"Bearer {target.environ['TOKEN']}"}
    total: int = httpx.get(f"{target.url}/queues/default", headers=headers).json()["totals"]["acked"]
    return total


def cycles_a_second(target: Target, size: int, *, seconds: int, connections: int) -> float:
    """Acked messages a second under a load of batches."""
    batches = msgspec.structs.replace(target, script="batches", environ={**target.environ, "BATCH": str(size)})
    load(batches, seconds=1, connections=connections)
    before, started = acked(target), time.monotonic()
    load(batches, seconds=seconds, connections=connections)
    return (acked(target) - before) / (time.monotonic() - started)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=8)
    args = parser.parse_args()
    found: dict[tuple[str, int], list[float]] = {(server, size): [] for server in SERVERS for size in SIZES}
    with ExitStack() as stack:
        targets = {server: stack.enter_context(pulpo(server)) for server in SERVERS}
        for _ in range(args.rounds):
            for (server, size), rates in found.items():
                rate = cycles_a_second(targets[server], size, seconds=args.seconds, connections=args.connections)
                rates.append(rate)
    for (server, size), rates in found.items():
        low, middle, high = statistics.quantiles(rates, n=4, method="inclusive")
        print(f"{server}, batches of {size}: {middle:,.0f} cycles a second ({low:,.0f} to {high:,.0f})")


if __name__ == "__main__":
    main()
