"""The server that a model is compared with, and its clock: the real one, or one that is moved by hand.

A moved clock stands still between two moves, so every boundary can be met to the millisecond and an hour costs nothing.
The monotonic clock is moved with it: Valkey 9.1 reckons the time of day from that between two looks at the real one.
It needs libfaketime and Valkey; Redis as Debian builds it does not start under libfaketime.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import NoScriptError

from app.storage.embedded import _packaged_server
from tests.redis_server import PrivateRedis

LIBRARY = "faketime/libfaketimeMT.so.1"
LIBRARY_DIRECTORIES = ("/usr/lib", "/usr/local/lib", "/usr/lib64")
MOVED_UNIT_MS, REAL_UNIT_MS = 7_000, 20
MOVED_START_MS = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000)
EARLY_MICROSECONDS = 300


class ClockTicked(Exception):
    """The server's millisecond changed while a script ran: which one the script saw is not known."""


class Clock(Protocol):
    def advance(self, milliseconds: int) -> None:
        """Lets the server's time pass."""


class TimedRedis(Redis):
    """A client that knows at which of the server's milliseconds the last script of a queue ran."""

    now_ms = 0

    def execute_command(self, *command: Any, **options: Any) -> Any:
        if command[0] in {"EVALSHA", "EVAL"} and "{" in str(command[3]):  # the index of queues knows no time
            return self._timed(*command)
        return super().execute_command(*command, **options)  # type: ignore[no-untyped-call]

    def execute_commands(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        return [self.execute_command(*command) for command in commands]

    def _timed(self, *command: Any) -> Any:
        while self.time()[1] % 1000 > EARLY_MICROSECONDS:
            pass  # the script would run into the next millisecond
        # The server reads all three at once, so nothing but the script passes between the two times.
        with self.pipeline(transaction=False) as pipeline:
            for each in (("TIME",), command, ("TIME",)):
                pipeline.execute_command(*each)  # type: ignore[no-untyped-call]
            before, reply, after = pipeline.execute(raise_on_error=False)
        if isinstance(reply, NoScriptError):  # nothing ran
            raise reply
        self.now_ms = _milliseconds(before)
        if self.now_ms != _milliseconds(after):
            raise ClockTicked
        if isinstance(reply, Exception):
            raise reply
        return reply


class RealClock:
    def advance(self, milliseconds: int) -> None:
        time.sleep(milliseconds / 1000)


class MovedClock:
    """The clock of a server that runs under libfaketime with `file` as FAKETIME_TIMESTAMP_FILE."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._now_ms = MOVED_START_MS
        self.client: Redis | None = None
        self.advance(0)

    def advance(self, milliseconds: int) -> None:
        self._now_ms += milliseconds
        # A tenth of a millisecond more, since libfaketime rounds down what it has read as a binary fraction.
        now = datetime.fromtimestamp(self._now_ms // 1000, UTC)
        written = self._file.with_suffix(".new")
        written.write_text(f"{now:%Y-%m-%d %H:%M:%S}.{self._now_ms % 1000:03}1\n", encoding="ascii")
        written.replace(self._file)
        if self.client is not None:
            told_ms = _milliseconds(self.client.time())
            assert told_ms == self._now_ms, f"the server says {told_ms} and the moved clock {self._now_ms}"


@dataclass(frozen=True, slots=True)
class World:
    """`client` may do what Pulpo's user may, `admin` everything. `unit_ms`: how long a short lease is."""

    client: TimedRedis
    admin: Redis
    clock: Clock
    unit_ms: int


@contextmanager
def real_time() -> Iterator[World]:
    """Any server, on the machine's own clock."""
    with PrivateRedis() as server, TimedRedis.from_url(server.user_url) as client, Redis.from_url(server.url) as admin:
        yield World(client, admin, RealClock(), REAL_UNIT_MS)


@contextmanager
def moved_time(library: Path) -> Iterator[World]:
    """The packaged Valkey, or what REDIS_SERVER names, on a clock that stands still until it is moved."""
    with TemporaryDirectory(prefix="pulpo-clock-") as directory:
        clock = MovedClock(Path(directory) / "now")
        variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock._file),
            "FAKETIME_NO_CACHE": "1",
            "TZ": "UTC",
        }
        program = os.environ.get("REDIS_SERVER") or _packaged_server()
        with (
            PrivateRedis(program=program, variables=variables) as server,
            TimedRedis.from_url(server.user_url) as client,
            Redis.from_url(server.url) as admin,
        ):
            clock.client = client
            clock.advance(1)
            yield World(client, admin, clock, MOVED_UNIT_MS)


def find_libfaketime() -> Path | None:
    """The library that moves a clock, where Debian's package `faketime` and others put it."""
    for directory in map(Path, LIBRARY_DIRECTORIES):
        for found in (*directory.glob(LIBRARY), *directory.glob(f"*/{LIBRARY}")):
            return found
    return None


def _milliseconds(time_reply: tuple[int, int]) -> int:
    return time_reply[0] * 1000 + time_reply[1] // 1000
