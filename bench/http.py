"""Requests a second and CPU a request over HTTP, beside a ten-line Flask app and other queues, all in one run.

    python -m bench.http [--rounds N] [--loads N] [--seconds N] [--connections N] [--only NAME …] [--lmstfy URL]
                         [--write]

wrk makes the load over keep-alive connections; `report.METHOD` says how figures come of it. Pulpo runs with everything
on: login, permissions, limits, leases, metrics, log. lmstfy is measured where an address is given, with the token of
its namespace `bench` in `LMSTFY_TOKEN`. `--write` keeps tables, plot and the figures of each round in bench/results.
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.load import measure
from bench.peers import BASE, PEERS, demand_programs, lmstfy
from bench.plot import svg
from bench.report import bases_table, circumstances, table

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--loads", type=int, default=5, help="of each server in a round")
    parser.add_argument("--seconds", type=int, default=1, help="that a load takes")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--lmstfy", metavar="URL")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    starters = {name: start for name, start in PEERS.items() if name == BASE or name in args.only}
    demand_programs(list(starters))
    if args.lmstfy:
        token = os.environ.get("LMSTFY_TOKEN") or parser.error("set LMSTFY_TOKEN")
        starters["lmstfy"] = lambda: lmstfy(args.lmstfy, token)
    with ExitStack() as stack:
        targets = {name: stack.enter_context(start()) for name, start in starters.items()}
        sizes: dict[str, int] = {name: getattr(args, name) for name in ("rounds", "loads", "seconds", "connections")}
        figures = measure(targets, **sizes)
    load = f"wrk, {args.connections} connections, {args.rounds} rounds of {args.loads} loads of {args.seconds} s"
    around = circumstances(targets, load=load)
    listed = "\n".join(f"- {name}: {value}" for name, value in around.items())
    text = f"{table(figures)}\n\n{bases_table(figures)}\n\n{listed}\n"
    print(text)
    if args.write:
        (RESULTS / "http.svg").write_text(svg(figures))
        (RESULTS / "http.md").write_text(f"{text}\n![Requests a second and CPU a request of each server](http.svg)\n")
        raw = {"circumstances": around, "rounds": {name: msgspec.to_builtins(each) for name, each in figures.items()}}
        (RESULTS / "http.json").write_text(json.dumps(raw, indent=1) + "\n")


if __name__ == "__main__":
    main()
