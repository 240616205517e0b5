"""How long a request may still wait for Redis, all of its commands together.

Kept by thread, since a thread does one request at a time. What is done outside of a request has no such limit.
"""

from __future__ import annotations

import math
import threading

REQUEST_SECONDS = 4.5  # so that all is answered within the 5 s that are promised


class _Left(threading.local):
    seconds = math.inf


_left = _Left()


def renew() -> None:
    """A request begins, or a caller who waits for messages looks once more."""
    _left.seconds = REQUEST_SECONDS


def end() -> None:
    """The request is done."""
    _left.seconds = math.inf


def left() -> float:
    """Seconds; 0 or less if there is no time any more."""
    return _left.seconds


def spend(seconds: float) -> None:
    """So long was waited."""
    _left.seconds -= seconds
