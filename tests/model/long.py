"""Drives a queue and its model for many steps, on a clock that is moved by hand.

    python -m tests.model.long [--steps N] [--seed N] [--time moved|real]

Without libfaketime it says so and uses the machine's own clock, unless a moved one was asked for.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from contextlib import AbstractContextManager

from tests.model.machine import run
from tests.model.world import World, find_libfaketime, moved_time, real_time

MANY_STEPS = 10_000


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--time", choices=["moved", "real"], help="moved if libfaketime is there")
    asked = parser.parse_args(arguments)
    if asked.time == "moved" and find_libfaketime() is None:
        parser.error("there is no libfaketime; install the package faketime, or take --time real")
    kind, opened = choose(asked.time)
    print(f"model: {kind} time, seed {asked.seed}", flush=True)
    started = time.monotonic()
    with opened as world:
        server = world.admin.info("server")
        print(f"model: {server.get('server_name', 'redis')} {server.get('valkey_version', server['redis_version'])}")
        report = run(world, steps=asked.steps, seed_number=asked.seed, shrinks=kind == "moved")
    print(f"model: {report}, {kind} time, {time.monotonic() - started:.0f} s")
    if asked.steps >= MANY_STEPS and report.not_met:
        print(f"model: the run met none of: {', '.join(sorted(report.not_met))}")
        return 1
    return 0


def choose(kind: str | None) -> tuple[str, AbstractContextManager[World]]:
    """The clock to use, by its name, and the server that goes by it."""
    library = find_libfaketime()
    if library is not None and kind != "real":
        return "moved", moved_time(library)
    if kind is None:
        print("model: there is no libfaketime (package faketime), so time is real and long times are not tried")
    return "real", real_time()


if __name__ == "__main__":
    sys.exit(main())
