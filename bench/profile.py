"""Draws a flame graph of one worker of Pulpo under load, by py-spy: where its time goes, function by function.

    python -m bench.profile [--server gunicorn|granian] [--seconds N] [--connections N] [--rate N]

Idle threads are left out. py-spy stops the worker for each sample, so the figures of such a run are none to quote.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

import psutil

from bench.load import WARM_UP_SECONDS, Target, load
from bench.peers import BENCH_BIN, demand_programs, pulpo

GRAPHS = Path(__file__).parents[1] / ".profile"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=("gunicorn", "granian"), default="gunicorn")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=int, default=200, help="samples a second")
    args = parser.parse_args()
    demand_programs([])
    GRAPHS.mkdir(exist_ok=True)
    graph = GRAPHS / f"{args.server}.svg"
    with pulpo(args.server) as target:
        pid = busiest(target, connections=args.connections).pid
        command = [str(BENCH_BIN / "py-spy"), "record", "--pid", str(pid), "--output", str(graph)]
        command += ["--duration", str(args.seconds), "--rate", str(args.rate)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as recorder:
            load(target, seconds=args.seconds, connections=args.connections)
        if recorder.returncode:
            raise SystemExit("py-spy failed; to look into another process it may need root, or ptrace_scope 0")
    print(f"{os.path.relpath(graph)}: open it in a browser")


def busiest(target: Target, *, connections: int) -> psutil.Process:
    """The process that used most CPU in a load: a worker, since the others watch over the workers."""
    before = {process: sum(process.cpu_times()[:2]) for process in target.processes()}
    load(target, seconds=WARM_UP_SECONDS, connections=connections)
    return max(before, key=lambda process: sum(process.cpu_times()[:2]) - before[process])


if __name__ == "__main__":
    main()
