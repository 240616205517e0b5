"""Turns the figures of a run into tables, with what must be known to judge them."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from app.storage.embedded import find_server
from bench.load import Figures, Target
from bench.peers import BARES, BASE

Run = Mapping[str, list[Figures]]
METHOD = (
    "A round loads every server in turn, several times over, always with new connections, since gunicorn's workers"
    " take connections by luck: a round's figures are those of all requests in its loads, its percentiles their mean."
    " Here are medians of the rounds; ratios are taken within a round, and have quartiles."
)
CAVEATS = (
    "Load, servers and Redis share the machine, so the requests a second of all are lower than with load from outside;"
    " CPU a request, without Redis and wrk, is what to compare. Trust ratios that differ by more than 15 %."
    " bare, floor, Webdis and RabbitMQ do two requests a message, the others three. The floor is a WSGI function that"
    " passes each request on to Redis and does nothing else: the least that a service in Python can take."
)


def table(figures: Run) -> str:
    """Medians, and quartiles of the ratios to the base, as Markdown."""
    lines = ["| server | requests a second | times the base | CPU µs | of the base's | p50 ms | p99 ms | errors |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, own in figures.items():
        speed, cpu = ratios(own, figures[BASE])
        cpu_us = median(own, "cpu_us")
        lines.append(
            f"| {name} | {median(own, 'requests_a_second'):,.0f} | {_spread(speed)}"
            f" | {f'{cpu_us:,.0f} | {_spread(cpu)}' if cpu_us else '– | –'}"
            f" | {median(own, 'p50_ms'):.1f} | {median(own, 'p99_ms'):.1f} | {sum(each.errors for each in own)} |"
        )
    return "\n".join(lines)


def bases_table(figures: Run) -> str:
    """Times the requests a second, and times the CPU, of each way to run the bare app: medians, as Markdown."""
    bases = [name for name in BARES if name in figures]
    lines = [f"| times, and of its CPU | {' | '.join(bases)} |", "|---" * (len(bases) + 1) + "|"]
    for name, own in figures.items():
        pairs = [[statistics.median(each) for each in ratios(own, figures[base])] for base in bases]
        lines.append(
            f"| {name} | {' | '.join(f'{speed:.2f}, {cpu:.2f}' if cpu else f'{speed:.2f}' for speed, cpu in pairs)} |"
        )
    return "\n".join(lines)


def circumstances(targets: Mapping[str, Target], *, load: str) -> dict[str, str]:
    """What has to be known of a run to judge it."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "versions": ", ".join([f"Python {platform.python_version()}", redis_version(), *PACKAGES]),
        "work": "push, pop and ack in turn (or what a server has of it), messages of 100 bytes; Redis: AOF everysec",
        "load": load,
        "method": METHOD,
        "caveats": CAVEATS,
        **{name: target.about for name, target in targets.items()},
    }


PACKAGES = [f"{name} {version(name)}" for name in ("redis", "hiredis", "msgspec")]


def redis_version() -> str:
    told = subprocess.check_output([find_server(), "--version"], text=True)
    return " ".join(told.split()[:3])


def ratios(own: list[Figures], base: list[Figures]) -> tuple[list[float], list[float]]:
    """Requests a second and CPU a request as times those of `base`, round by round."""
    pairs = list(zip(own, base, strict=True))
    return [a.requests_a_second / b.requests_a_second for a, b in pairs], [a.cpu_us / b.cpu_us for a, b in pairs]


def median(figures: list[Figures], name: str) -> float:
    return statistics.median(values(figures, name))


def quartiles(found: list[float]) -> tuple[float, float, float]:
    if len(found) < 2:
        return found[0], found[0], found[0]
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return low, middle, high


def values(figures: list[Figures], name: str) -> list[float]:
    return [float(getattr(each, name)) for each in figures]


def _spread(found: list[float]) -> str:
    low, middle, high = quartiles(found)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
