"""One line a request on standard output: JSON, or words on a terminal. No token, no body is in it."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import msgspec

STDOUT = 1
_is_terminal = os.isatty(STDOUT)
_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a request when its answer is ready."""

    time: datetime
    request_id: str
    method: str
    path: str
    status: int
    ms: float
    caller: str | None = None
    route: str | None = None
    queue: str | None = None
    traceparent: str | None = None

    def __str__(self) -> str:
        caller = f" {self.caller}" if self.caller else ""
        return f"{self.time:%H:%M:%S} {self.status} {self.method} {self.path} {self.ms:.1f} ms{caller}"


def write(lines: list[Line]) -> None:
    """Writes `lines`, each whole, several by one call."""
    written = [(str(line).encode() if _is_terminal else _encode(line)) + b"\n" for line in lines]
    # When nobody reads the log any more, that is no reason to fail a request that was carried out.
    with suppress(OSError):
        for part in _parts(written):
            os.write(STDOUT, part)


def _parts(written: list[bytes]) -> Iterator[bytes]:
    """As many lines together as a pipe takes at once: no line of another process can come between."""
    part = b""
    for line in written:
        if part and len(part) + len(line) > select.PIPE_BUF:
            yield part
            part = b""
        part += line
    if part:
        yield part
