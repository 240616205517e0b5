"""Loads running servers with wrk, in rounds, and says what each round found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

import msgspec
import psutil

SCRIPTS = Path(__file__).parent / "wrk"
WARM_UP_SECONDS = 2
LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Target(msgspec.Struct, frozen=True):
    """A server that runs: where, by which script it is asked, whose CPU counts, and what must be known of it."""

    url: str
    script: str
    processes: Callable[[], list[psutil.Process]]
    about: str
    environ: dict[str, str] = {}


class Figures(msgspec.Struct, frozen=True):
    """One server in one round (or in one load); `cpu_us` is 0 where the server's processes are not of this machine."""

    requests_a_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int


def load(target: Target, *, seconds: int, connections: int) -> Figures:
    """Loads a server for some seconds over new connections. Raises if wrk fails."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency"]
    command += ["-s", str(SCRIPTS / f"{target.script}.lua"), target.url]
    processes = target.processes()
    before = _cpu_seconds(processes)
    told = subprocess.run(command, env=os.environ | target.environ, capture_output=True, text=True, check=True)
    used_seconds = _cpu_seconds(processes) - before
    count = int(_found(r"(\d+) requests in", told.stdout))
    latency = {percent: float(value) * MS[unit] for percent, value, unit in LATENCY.findall(told.stdout)}
    if told.stderr:  # what the script says of failures
        print(target.script, told.stderr[:200], file=sys.stderr)
    return Figures(
        requests_a_second=float(_found(r"Requests/sec:\s+([\d.]+)", told.stdout)),
        cpu_us=used_seconds / count * 1e6,
        p50_ms=latency["50"],
        p99_ms=latency["99"],
        errors=_errors(told.stdout),
    )


def measure(
    targets: Mapping[str, Target], *, rounds: int, loads: int, seconds: int, connections: int
) -> dict[str, list[Figures]]:
    """The figures of each server, round by round; a round loads all of them in turn, `loads` times over."""
    for target in targets.values():
        load(target, seconds=WARM_UP_SECONDS, connections=connections)
    figures: dict[str, list[Figures]] = {name: [] for name in targets}
    for number in range(rounds):
        found: dict[str, list[Figures]] = {name: [] for name in targets}
        for _ in range(loads):
            for name, target in targets.items():
                found[name].append(load(target, seconds=seconds, connections=connections))
        for name, loads_of_one in found.items():
            figures[name].append(together(loads_of_one))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return figures


def together(loads: Sequence[Figures]) -> Figures:
    """Several loads as one: of all requests and all CPU in them, and the mean of their percentiles.

    A mean, since a load in which one worker got most connections is a part of what users would see; a median would be
    the figure of whichever luck was the more frequent, and jump from round to round.
    """
    requests = sum(each.requests_a_second for each in loads)
    return Figures(
        requests_a_second=requests / len(loads),
        cpu_us=sum(each.cpu_us * each.requests_a_second for each in loads) / requests,
        p50_ms=mean(each.p50_ms for each in loads),
        p99_ms=mean(each.p99_ms for each in loads),
        errors=sum(each.errors for each in loads),
    )


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _errors(told: str) -> int:
    """Answers that tell of a failure, and connections that broke or got no answer in time."""
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    answers = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    return sum(int(count) for found in (sockets, answers) if found for count in found.groups())


def _found(pattern: str, told: str) -> str:
    found = re.search(pattern, told)
    if not found:
        raise ValueError(told)
    return found[1]
