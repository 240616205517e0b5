"""What is kept of a request from its beginning to its end, whichever door it came through."""

from __future__ import annotations

import random
import re
import time
from datetime import UTC, datetime

import msgspec

from app import patience
from app.people import Principal
from app.web import access_log, afterwards, timings

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context: version, trace, span, flags. What is not of this form is to be ignored.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# A browser shall neither guess the type of an answer, run it, nor keep it; a page of ours says itself what it may.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Visit(msgspec.Struct):
    """One request: its id and trace, when it began (on `time.perf_counter`), and who calls, once that is known."""

    request_id: str
    traceparent: str | None
    started: float
    caller: Principal | None = None


# A visit; method, path, route, queue and status; when it ended, in seconds since 1970 and on `time.perf_counter`.
Ended = tuple[Visit, str, str, str | None, str | None, int, float, float]


def begin(request_id: str | None, traceparent: str | None) -> Visit:
    """The visit of a request that comes with these headers; what is not well formed counts for nothing."""
    if request_id is None or not REQUEST_ID.fullmatch(request_id):
        request_id = f"{random.getrandbits(128):032x}"  # it is unique, and no secret  # nosec B311
    if traceparent is not None and not TRACEPARENT.fullmatch(traceparent):
        traceparent = None
    patience.begin()
    return Visit(request_id, traceparent, time.perf_counter())


def conclude(visit: Visit, *, method: str, path: str, route: str | None, queue: str | None, status: int) -> None:
    """Has a request timed and logged whose answer is ready."""
    patience.end()
    afterwards.leave(_record, (visit, method, path, route, queue, status, time.time(), time.perf_counter()))


def _record(ended: list[Ended]) -> None:
    took: timings.Took = {}
    lines: list[access_log.Line] = []
    for visit, method, path, route, queue, status, at, end in ended:
        seconds = end - visit.started
        took.setdefault((method, route, status), []).append(seconds)
        line = access_log.Line(
            time=datetime.fromtimestamp(at, UTC),
            request_id=visit.request_id,
            method=method,
            path=path,
            status=status,
            ms=round(seconds * 1000, 2),
            caller=visit.caller.username if visit.caller else None,
            route=route,
            queue=queue,
            traceparent=visit.traceparent,
        )
        lines.append(line)
    access_log.write(lines)
    timings.answered(took)
