"""Until when a request may go on asking Redis, all of its commands together, connecting among them.

Kept by thread, since a thread does one request at a time. The time runs from the first command, so a body that comes
slowly costs none of it. What is done outside of a request has no such limit.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

REQUEST_SECONDS = 4.5  # so that all is answered within the 5 s that are promised
NOT_BEGUN = 0.0

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class _Mine(threading.local):
    ends_at = math.inf


_mine = _Mine()


def begin() -> None:
    """A request begins."""
    _mine.ends_at = NOT_BEGUN


def renew() -> None:
    """What follows has as long again: it is the next look of a caller who waits, or the next page of many."""
    if _mine.ends_at != math.inf:
        _mine.ends_at = NOT_BEGUN


def end() -> None:
    """The request is done."""
    _mine.ends_at = math.inf


def left(now: float) -> float:
    """Seconds from `now` on, of `time.monotonic()`; 0 or less if there is no time any more."""
    if _mine.ends_at == NOT_BEGUN:
        _mine.ends_at = now + REQUEST_SECONDS
    return _mine.ends_at - now


def handed_on(ask: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """`ask`, for threads that work for this request alone and end with it: they have as long as it has."""
    now = time.monotonic()
    ends_at = now + left(now)

    def in_time(asked: Asked) -> Answer:
        _mine.ends_at = ends_at
        return ask(asked)

    return in_time
