"""Runs what meets Redis of the suite on each server that Pulpo supports, and writes down what came of it.

    python -m tests.servers.suite [--short] [--only 'Redis 7.0']

The long form writes its table into docs/explanation/servers.md, or with --only the row of one server; the short one
only prints it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from tabulate import tabulate

from app.errors import NotDurable
from app.storage.redis_proof import DurabilityProof
from tests.redis_server import PrivateRedis
from tests.servers.programs import ROOT, SERVERS, Server, environment

PAGE = ROOT / "docs" / "explanation" / "servers.md"
BEGIN, END = "<!-- what make servers found -->\n", "<!-- end -->\n"
LONG = (
    "tests/api",
    "tests/model",
    "tests/unit",
    "tests/layouts",
    "tests/launcher",
    "tests/concurrency",
    "tests/chaos/test_kills.py",
    "tests/docs/test_operations_runs.py",
)
# Every state of a message, the user of the rules and the launcher's own server; through one door, for both doors share
# all that meets Redis.
SHORT = (
    *(f"tests/api/test_{name}.py" for name in ("pop", "settle", "nack", "dead", "groups", "idempotency", "full")),
    "tests/model",
    "tests/layouts",
    "tests/launcher/test_least_privilege.py",
    "tests/launcher/test_launcher.py::test_redis_starts_under_a_locale_that_the_machine_lacks",
)
SHORT_OPTIONS = ("-k", "not flask")
HEAD = ("server", "passed", "failed", "skipped", "WAITAOF", "`Prefer: durable` under `everysec`", "under `always`")


@dataclass(frozen=True, slots=True)
class Result:
    """What the tests said on one server: how many there were of each, and the names or reasons of some."""

    passed: int
    failed: tuple[str, ...]
    skipped: Counter[str]
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", choices=[server.name for server in SERVERS])
    asked = parser.parse_args(arguments)
    servers = [server for server in SERVERS if asked.only in {None, server.name}]
    results = {server: run(server, short=asked.short) for server in servers}
    rows = [row(server, result) for server, result in results.items()]
    notes = [note for server, result in results.items() for note in notes_on(server, result)]
    print(f"\n{page(rows, notes)}")
    if not asked.short:
        write(rows, notes)
    return int(any(result.failed or not result.passed for result in results.values()))


def run(server: Server, *, short: bool) -> Result:
    """Runs the tests on `server`. Raises `ServerMissing`."""
    tests = [*SHORT, *SHORT_OPTIONS] if short else list(LONG)
    environ = environment(server.directory())
    started = time.monotonic()
    with TemporaryDirectory() as directory:
        told = Path(directory) / "tests.xml"
        options = ["-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", f"--junitxml={told}"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if not told.exists():
            raise RuntimeError(f"pytest did not run:\n{ended.stdout}{ended.stderr}")
        result = read(ET.parse(told).getroot(), time.monotonic() - started)
    print(f"{server.name}: {result.passed} passed in {result.seconds:.0f} s", flush=True)
    if result.failed:
        print(ended.stdout)
    return result


def read(told: ET.Element, seconds: float) -> Result:
    """What a file of pytest's in JUnit's form says."""
    cases = list(told.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    reasons = [skip.get("message", "") for case in cases if (skip := case.find("skipped")) is not None]
    names = tuple(f"{case.get('classname')}::{case.get('name')}" for case in failed)
    return Result(len(cases) - len(failed) - len(reasons), names, Counter(reasons), seconds)


def row(server: Server, result: Result) -> tuple[str, ...]:
    counts = (result.passed, len(result.failed), result.skipped.total())
    return server.name, *map(str, counts), *traits(server)


def notes_on(server: Server, result: Result) -> list[str]:
    """Which tests failed, and why others were skipped."""
    failed = [f"- {server.name}, failed: {name}" for name in result.failed]
    return failed + [f"- {server.name}, skipped {count}: {reason}" for reason, count in sorted(result.skipped.items())]


def page(rows: Iterable[tuple[str, ...]], notes: Iterable[str]) -> str:
    """The table, and below it the notes, as Markdown."""
    table = tabulate(rows, HEAD, tablefmt="github", disable_numparse=True)
    return "\n".join([table, "", *notes]).rstrip() + "\n"


def traits(server: Server) -> tuple[str, ...]:
    """Whether it has WAITAOF, and whether a push can be proven where it writes each second, and before each answer."""
    program, any_locale = str(server.directory() / "redis-server"), {"LC_ALL": "C"}
    with PrivateRedis(program=program, variables=any_locale) as redis:
        has_waitaof, every_second = redis.knows_waitaof, _can_prove(redis)
    with PrivateRedis("--appendfsync", "always", program=program, variables=any_locale) as redis:
        always = _can_prove(redis)
    return tuple("yes" if holds else "no" for holds in (has_waitaof, every_second, always))


def _can_prove(redis: PrivateRedis) -> bool:
    with Redis.from_url(redis.user_url) as client, client.client() as connection:
        try:
            DurabilityProof(replicas=0).check(connection)
        except NotDurable:
            return False
        return True


def write(rows: Iterable[tuple[str, ...]], notes: Iterable[str]) -> None:
    """Puts what was found between the marks of the page, in the place of what was found on the same servers before."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    told, _, after = rest.partition(END)
    by_name = {line.split("|")[1].strip(): tuple(cells(line)) for line in told.splitlines() if line.startswith("|")}
    by_name |= {each[0]: each for each in rows}
    fresh = tuple(f"- {each[0]}, " for each in rows)
    kept = [line for line in told.splitlines() if line.startswith("- ") and not line.startswith(fresh)]
    all_rows = [by_name[server.name] for server in SERVERS if server.name in by_name]
    found = page(all_rows, sorted([*kept, *notes]))
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")


def cells(line: str) -> list[str]:
    """Of a row of a Markdown table."""
    return [cell.strip() for cell in line.split("|")[1:-1]]


if __name__ == "__main__":
    sys.exit(main())
