"""Strikes Pulpo and its Redis with faults under load, and checks that every promise was kept.

    python -m tests.chaos [--topology NAME …] [--faults 70] [--seed N] [--short] [--not-durable] [--write FILE]

Producers and consumers write down all that they send and all that is answered. Faults are drawn by the seed, which is
printed. At the end everything is drained and the record is checked; what is wrong is printed with the history of its
message. The exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos import report
from tests.chaos.checker import check
from tests.chaos.nemesis import torment
from tests.chaos.record import History
from tests.chaos.sites import SITES, running
from tests.chaos.workload import drain, load, prepare

FAULTS = 70
SHORT = ("kill primary", "cut")
MESSAGES_A_SECOND = 800


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", nargs="+", choices=SITES, default=list(SITES))
    parser.add_argument("--faults", type=int, help=f"of each topology; {FAULTS}")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--short", action="store_true", help=f"{', '.join(SHORT)}, each once")
    parser.add_argument("--a-second", type=float, default=MESSAGES_A_SECOND, help="messages pushed")
    parser.add_argument(
        "--not-durable", action="store_true", help="push without `Prefer: durable`, and count what it costs"
    )
    parser.add_argument("--replicas", help="PULPO_DURABLE_REPLICAS, where it is not to be all that may take over")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="FAULT", help="kinds of faults, such as 'kill primary'"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="append the tables to it")
    asked = parser.parse_args(arguments)
    only = asked.only or (SHORT if asked.short else ())
    faults = asked.faults or (len(SHORT) if asked.short else FAULTS)
    print(f"seed {asked.seed}", flush=True)
    verdicts = [
        run(
            name,
            faults=faults,
            seed=asked.seed,
            a_second=asked.a_second,
            durable=not asked.not_durable,
            only=only,
            write=asked.write,
            environ={} if asked.replicas is None else {"PULPO_DURABLE_REPLICAS": asked.replicas},
        )
        for name in asked.topology
    ]
    return 0 if all(verdicts) else 1


def run(
    name: str,
    *,
    faults: int,
    seed: int,
    a_second: float,
    durable: bool,
    only: Sequence[str],
    write: Path | None,
    environ: Mapping[str, str],
) -> bool:
    """One topology from its start to the verdict; whether every promise was kept."""
    history, origin = History(), time.monotonic()
    with running(name, durable=durable, **environ) as site:
        print(f"{name}: {faults} faults", flush=True)
        target = site.target()
        prepare(target)
        with load(target, history, seed=seed, a_second=a_second):
            torment(site, history, faults=faults, seed=seed, only=only, say=lambda line: print(line, flush=True))
        left = drain(target, history, seed=seed)
    broken, rolled_back = check(history, replicated=site.is_replicated, durable=durable)
    title = f"{name}, {'durable' if durable else 'not durable'}, seed {seed}, {time.monotonic() - origin:.0f} s"
    lines = [*report.table(history.spans), "", *report.summary(history, broken, rolled_back)]
    print("\n".join([title, *lines, *report.histories(history, broken, origin=origin)]), flush=True)
    if write is not None:
        report.write(write, title, lines)
    if left:
        print(f"does not get empty, so what is there counts as lost: {left}")
    return not broken and not left and bool(history.spans)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that runs is ended
    sys.exit(main())
