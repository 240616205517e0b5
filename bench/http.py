"""Requests a second and CPU a request over HTTP, beside a ten-line Flask app and Webdis, all in one run.

    python -m bench.http [--rounds N] [--seconds N] [--connections N] [--only NAME …] [--write]

wrk makes the load over keep-alive connections. A round runs each server once, one after the other; what is compared are
the ratios within a round, so that a machine that is slower for a while is so for all. CPU is that of the server's own
processes, without Redis and wrk. Pulpo runs with everything on: login, permissions, limits, leases, metrics, log.
`--write` keeps the table and the raw figures in bench/results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from tests.redis_server import PrivateRedis
from tests.service import Service, free_port, wait_until

HERE = Path(__file__).parent
BASE = "bare, gunicorn"
WORKERS, BARE_THREADS = 2, 4
WARM_UP_SECONDS = 2.0
SERVER_NAMES = re.compile("redis-server|valkey-server")
CAVEAT = (
    "gunicorn's workers take connections by luck: in rounds in which all fell to one of the two, a server under "
    "gunicorn does a third to a half, at twice the CPU; look at the raw rounds"
)
LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Target(msgspec.Struct, frozen=True):
    """A server that runs: where, how it is asked, and whose CPU counts."""

    url: str
    script: str
    processes: Callable[[], list[psutil.Process]]
    environ: dict[str, str] = {}


class Figures(msgspec.Struct, frozen=True):
    """One server in one round."""

    requests_a_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int


@contextmanager
def pulpo(server: str) -> Iterator[Target]:
    """Pulpo with its default settings and an embedded Redis."""
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_SERVER=server)
        try:
            service.start()
            token = service.token()

            def processes() -> list[psutil.Process]:
                return [each for each in service.processes() if not SERVER_NAMES.search(each.name())]

            yield Target(service.url, "pulpo", processes, {"TOKEN": token})
        finally:
            service.kill()


@contextmanager
def bare(server: str) -> Iterator[Target]:
    """The ten-line Flask app."""
    port = free_port()
    commands = {
        "gunicorn": [
            *(sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-k", "gthread", "--log-level", "warning"),
            *("-w", str(WORKERS), "--threads", str(BARE_THREADS), "--no-control-socket", "bench.bare:app"),
        ],
        "granian": [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-log", "--http", "1"),
            *("--workers", str(WORKERS), "--blocking-threads", str(BARE_THREADS), "bench.bare:app"),
        ],
    }
    url = f"http://127.0.0.1:{port}"
    with (
        PrivateRedis("--appendonly", "yes") as redis,
        _started(commands[server], f"{url}/pop", BARE_REDIS_URL=redis.url) as process,
    ):
        yield Target(url, "bare", lambda: _tree(process))


@contextmanager
def webdis() -> Iterator[Target]:
    """Webdis, which passes commands on to Redis: no users, no lease."""
    port, redis_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory, PrivateRedis("--appendonly", "yes", "--port", str(redis_port)):
        settings = {"redis_host": "127.0.0.1", "redis_port": redis_port, "http_host": "127.0.0.1", "http_port": port}
        settings |= {"threads": WORKERS, "pool_size": 20, "daemonize": False, "verbosity": 0, "logfile": os.devnull}
        path = Path(directory) / "webdis.json"
        path.write_text(json.dumps(settings))
        with _started(["webdis", str(path)], f"http://127.0.0.1:{port}/PING") as process:
            yield Target(f"http://127.0.0.1:{port}", "webdis", lambda: _tree(process))


TARGETS = {
    BASE: lambda: bare("gunicorn"),
    "bare, granian": lambda: bare("granian"),
    "Pulpo, gunicorn": lambda: pulpo("gunicorn"),
    "Pulpo, granian": lambda: pulpo("granian"),
    "Webdis": webdis,
}


@contextmanager
def _started(command: list[str], url: str, **environ: str) -> Iterator[psutil.Process]:
    """A server of ours that answers at `url` (anything at all)."""
    with subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: httpx.get(url).status_code > 0)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(10)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def load(target: Target, *, seconds: float, connections: int) -> Figures:
    """Loads a server for some seconds. Raises if wrk does."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:.0f}s", "--latency"]
    command += ["-s", str(HERE / "wrk" / f"{target.script}.lua"), target.url]
    processes = target.processes()
    before, started = _cpu_seconds(processes), time.monotonic()
    told = subprocess.run(command, env=os.environ | target.environ, capture_output=True, text=True, check=True)
    took, used = time.monotonic() - started, _cpu_seconds(processes) - before
    found = re.search(r"(\d+) requests in", told.stdout)
    assert found, told.stdout
    count = int(found[1])
    latency = {percent: float(value) * MS[unit] for percent, value, unit in LATENCY.findall(told.stdout)}
    errors = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", told.stdout)))
    errors += len(re.findall("Socket errors", told.stdout))
    return Figures(count / took, used / count * 1e6, latency["50"], latency["99"], errors)


def measure(names: Sequence[str], *, rounds: int, seconds: float, connections: int) -> dict[str, list[Figures]]:
    """The figures of each server, round by round."""
    figures: dict[str, list[Figures]] = {name: [] for name in names}
    with ExitStack() as stack:
        targets = {name: stack.enter_context(TARGETS[name]()) for name in names}
        for target in targets.values():
            load(target, seconds=WARM_UP_SECONDS, connections=connections)
        for number in range(rounds):
            for name, target in targets.items():
                figures[name].append(load(target, seconds=seconds, connections=connections))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return figures


def table(figures: dict[str, list[Figures]]) -> str:
    """Medians, and quartiles of the ratios, as Markdown."""
    base = figures[BASE]
    lines = ["| server | requests a second | times the base | CPU µs | of the base's | p50 ms | p99 ms | errors |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, own in figures.items():
        speed = [a.requests_a_second / b.requests_a_second for a, b in zip(own, base, strict=True)]
        cpu = [a.cpu_us / b.cpu_us for a, b in zip(own, base, strict=True)]
        lines.append(
            f"| {name} | {_median(own, 'requests_a_second'):,.0f} | {_spread(speed)} | {_median(own, 'cpu_us'):.0f}"
            f" | {_spread(cpu)} | {_median(own, 'p50_ms'):.1f} | {_median(own, 'p99_ms'):.1f}"
            f" | {sum(each.errors for each in own)} |"
        )
    return "\n".join(lines)


def _median(figures: list[Figures], name: str) -> float:
    return statistics.median(float(getattr(each, name)) for each in figures)


def _spread(ratios: list[float]) -> str:
    if len(ratios) < 2:
        return f"{ratios[0]:.2f}"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def circumstances(args: argparse.Namespace) -> dict[str, Any]:
    """What has to be known of a run to judge it."""
    packages = ("flask", "gunicorn", "granian", "redis", "hiredis", "msgspec")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "work": "bare and Webdis: push, pop; Pulpo: push, pop with a lease, ack; 100-byte messages",
        "load": f"wrk, {args.connections} connections, {args.rounds} rounds of {args.seconds} s, on the same machine",
        "settings": f"{WORKERS} workers; bare: {BARE_THREADS} threads; Pulpo: its defaults; Redis: AOF everysec",
        "caveat": CAVEAT,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for program in ("wrk", "webdis"):
        if not shutil.which(program) and (program == "wrk" or "Webdis" in args.only):
            sys.exit(f"{program} is missing: apt-get install {program}")
    names = [BASE, *(name for name in args.only if name != BASE)]
    figures = measure(names, rounds=args.rounds, seconds=args.seconds, connections=args.connections)
    around = circumstances(args)
    text = table(figures) + "\n\n" + "\n".join(f"- {name}: {value}" for name, value in around.items()) + "\n"
    print(text)
    if args.write:
        (HERE / "results" / "http.md").write_text(text)
        raw = {"circumstances": around, "rounds": {name: msgspec.to_builtins(each) for name, each in figures.items()}}
        (HERE / "results" / "http.json").write_text(json.dumps(raw, indent=1) + "\n")


if __name__ == "__main__":
    main()
