"""What this process times: requests, and how long messages waited and were worked on."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Histogram

from app.models import Popped, Settled
from app.web import afterwards

MOST_QUEUES = 1_000
OTHER = "__other__"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class BatchHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """The same as `observe` of each."""
        self._sum.inc(sum(amounts))
        for bucket, times in Counter(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[bucket].inc(times)


registry = CollectorRegistry()
requests = BatchHistogram(
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

Took = dict[tuple[str, str | None, int], list[float]]  # seconds of each request, by method, route and status


def answered(took: Took) -> None:
    """Counts and times requests."""
    for (method, route, status), seconds in took.items():
        # Labels must be few: a client may send any method to any path.
        labels = (method if method in METHODS else "other", route or "none", str(status))
        requests.labels(*labels).observe_all(seconds)


def delivered(queue: str, popped: Popped) -> None:
    """Times how long each message waited that is delivered for the first time, or for the first since a redrive."""
    pushed_at_ms = [] if popped.is_replayed else [each.pushed_at_ms for each in popped.deliveries if each.attempt == 1]
    if pushed_at_ms:
        afterwards.leave(_waited, (queue, pushed_at_ms, _now_ms()))


def acked(results: Iterable[Settled]) -> None:
    """Times how long each message was worked on that is done."""
    done = [(each.queue, each.delivered_at_ms) for each in results if each.status == "acked"]
    if done:
        afterwards.leave(_worked_on, (done, _now_ms()))


def _waited(pops: list[tuple[str, list[int], int]]) -> None:
    _observe(waits, ((queue, then, now) for queue, pushed_at_ms, now in pops for then in pushed_at_ms))


def _worked_on(acks: list[tuple[list[tuple[str, int]], int]]) -> None:
    _observe(works, ((queue, then, now) for done, now in acks for queue, then in done))


def _observe(histogram: BatchHistogram, spans: Iterable[tuple[str, int, int]]) -> None:
    """Each span is of a queue, from one time to another, in ms."""
    seconds: dict[str, list[float]] = {}
    for queue, then, now in spans:
        # Pushes are stamped by Redis, deliveries by their node: the clocks of all should agree, and none goes below 0.
        seconds.setdefault(_label(queue), []).append(max(0, now - then) / 1000)
    for label, of_each in seconds.items():
        histogram.labels(label).observe_all(of_each)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _label(queue: str) -> str:
    """The queue's name, of the first thousand that this process meets."""
    if queue in _labelled:
        return queue
    if len(_labelled) >= MOST_QUEUES:
        return OTHER
    _labelled.add(queue)
    return queue
