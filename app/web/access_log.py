"""One line a request on standard output, written at once: JSON, or words on a terminal. No token, no body is in it."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

STDOUT = 1
_is_terminal = os.isatty(STDOUT)
_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a request when its answer is ready."""

    time: str
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
        return f"{self.time[11:19]} {self.status} {self.method} {self.path} {self.ms:.1f} ms{caller}"


def write(line: Line) -> None:
    """Writes `line` by one call."""
    # When nobody reads the log any more, that is no reason to fail a request that was carried out.
    with suppress(OSError):
        os.write(STDOUT, (str(line).encode() if _is_terminal else _encode(line)) + b"\n")
