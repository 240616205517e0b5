"""What this process times: requests, and how long messages waited and were worked on."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Histogram

from app.models import Popped, Settled

MOST_QUEUES = 1_000
OTHER = "__other__"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class BatchHistogram(Histogram):
    """A histogram that takes at once what was observed several times, as is usual where messages come in batches."""

    def observe_times(self, amount: float, times: int) -> None:
        """The same as `times` times `observe(amount)`."""
        self._sum.inc(amount * times)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(times)


registry = CollectorRegistry()
requests = Histogram(
    "pulpo_http_request_duration_seconds",
    "How long requests took, by method, route and status; a long poll among them.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
    registry=registry,
)
MESSAGE_BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300, 1_800, 7_200)
waits = BatchHistogram(
    "pulpo_message_wait_seconds",
    "From a message's push to its first delivery, a delay among it, or to the first after a redrive.",
    ["queue"],
    buckets=MESSAGE_BUCKETS,
    registry=registry,
)
works = BatchHistogram(
    "pulpo_message_processing_seconds",
    "From a message's last delivery to its ack.",
    ["queue"],
    buckets=MESSAGE_BUCKETS,
    registry=registry,
)
_labelled: set[str] = set()


def answered(method: str, route: str | None, status: int, seconds: float) -> None:
    """Counts and times a request."""
    # Labels must be few: a client may send any method to any path.
    _timer(method if method in METHODS else "other", route or "none", status).observe(seconds)


def delivered(queue: str, popped: Popped) -> None:
    """Times how long each message waited that is delivered for the first time, or for the first since a redrive."""
    first = [] if popped.is_replayed else [each for each in popped.deliveries if each.attempt == 1]
    if first:
        wait, now_ms = waits.labels(_label(queue)), _now_ms()
        for pushed_at_ms, times in Counter(each.pushed_at_ms for each in first).items():
            wait.observe_times(max(0, now_ms - pushed_at_ms) / 1000, times)


def acked(results: Iterable[Settled]) -> None:
    """Times how long each message was worked on that is done."""
    now_ms = _now_ms()
    done = Counter((each.queue, each.delivered_at_ms) for each in results if each.status == "acked")
    for (queue, delivered_at_ms), times in done.items():
        if queue is not None and delivered_at_ms is not None:
            works.labels(_label(queue)).observe_times(max(0, now_ms - delivered_at_ms) / 1000, times)


@lru_cache(maxsize=1_000)  # quicker than the library's own look
def _timer(method: str, route: str, status: int) -> Histogram:
    return requests.labels(method, route, status)


def _now_ms() -> int:
    # Pushes are stamped by Redis, deliveries by their node: the clocks of all should agree, and none goes below 0.
    return time.time_ns() // 1_000_000


def _label(queue: str) -> str:
    """The queue's name, of the first thousand that this process meets."""
    if queue in _labelled:
        return queue
    if len(_labelled) >= MOST_QUEUES:
        return OTHER
    _labelled.add(queue)
    return queue
