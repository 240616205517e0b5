"""One JSON line a request on standard output, written at once. No token and no body is in it."""

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


def log_access(app: Flask) -> None:
    """Logs every request to `app`."""
    app.after_request(_log)


def _log(response: Response) -> Response:
    principal = g.get("caller")
    line = Line(
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        request_id=g.request_id,
        method=request.method,
        path=request.path,
        status=response.status_code,
        ms=round((time.perf_counter() - g.started) * 1000, 2),
        caller=principal.username if principal else None,
    )
    # When nobody reads the log any more, that is no reason to fail a request that was carried out.
    with suppress(OSError):
        os.write(STDOUT, msgspec.json.encode(line) + b"\n")
    return response
