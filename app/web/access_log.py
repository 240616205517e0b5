"""One line a request on standard output, written at once: JSON, or words on a terminal. No token, no body is in it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from flask import Flask, Response, g, request

STDOUT = 1


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


def log_access(app: Flask) -> None:
    """Logs every request to `app`."""
    is_terminal = os.isatty(STDOUT)
    app.after_request(lambda response: _log(response, is_terminal=is_terminal))


def _log(response: Response, *, is_terminal: bool) -> Response:
    principal = g.get("caller")
    line = Line(
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        request_id=g.request_id,
        method=request.method,
        path=request.path,
        status=response.status_code,
        ms=round((time.perf_counter() - g.started) * 1000, 2),
        caller=principal.username if principal else None,
        route=request.url_rule.rule if request.url_rule else None,
        queue=(request.view_args or {}).get("queue"),
        traceparent=g.traceparent,
    )
    # When nobody reads the log any more, that is no reason to fail a request that was carried out.
    with suppress(OSError):
        os.write(STDOUT, (str(line).encode() if is_terminal else msgspec.json.encode(line)) + b"\n")
    return response
