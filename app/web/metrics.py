"""What Prometheus reads: what the processes time, and queues and Redis as Redis knows them."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import StoreUnavailable
from app.models import QueueDescription, QueueTotals
from app.web import afterwards, timings
from app.web.context import Services

STATES = ("ready", "delayed", "leased", "dead")
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "messages": ("Messages in each state.", ("state",)),
    "bytes": ("Bytes of all bodies, dead letters included.", ()),
    "oldest_age_seconds": ("Age of the oldest ready message, 0 if none is ready.", ()),
    "waiters": ("Long polls that wait.", ()),
    "paused": ("Whether pushes or pops are paused.", ("operation",)),
}
MAXIMA = {"oldest_age_seconds", "paused"}  # of all that share a label the largest counts, of others the sum
TOTALS = QueueTotals.__struct_fields__
SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # the client library's own; the server's configuration sets it

Shards = dict[str, dict[str, float]]
Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)


def exposition(services: Services) -> bytes:
    """All metrics in Prometheus's text format. Redis out of reach is a metric, too."""
    afterwards.work_off()
    registry = CollectorRegistry()
    if SHARED_DIRECTORY in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = timings.registry
    return generate_latest(registry) + generate_latest(_FromRedis(services))


class _FromRedis:
    """The figures that Redis has, so that they are right with any number of processes and nodes."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        try:
            shards = self._services.system.measures()
            queues = self._queues_unless_down(shards)
        except StoreUnavailable:
            yield GaugeMetricFamily("pulpo_redis_up", "Whether Redis answers.", 0)
            return
        yield from _of_redis(shards)
        if queues is not None:
            yield GaugeMetricFamily("pulpo_queues", "How many queues there are.", len(queues))
            yield from _of_queues(_labelled(queues))

    def _queues_unless_down(self, shards: Shards) -> list[tuple[str, QueueDescription]] | None:
        """None if some shard does not tell of its queues, and others might."""
        try:
            return list(self._services.catalog.describe_all())
        except StoreUnavailable:
            if len(shards) == 1:
                raise
            return None


def _of_redis(shards: Shards) -> Iterator[Metric]:
    """The figures of the one primary; of several by their slots, since hosts are nobody's business."""
    labels = ["slots"] if len(shards) > 1 else []
    for name in sorted({name for figures in shards.values() for name in figures}):
        what = "Whether Redis answers." if name == "up" else f"Redis: {name.replace('_', ' ')}."
        family = GaugeMetricFamily(f"pulpo_redis_{name}", what, labels=labels)
        for slots, figures in shards.items():
            if name in figures:
                family.add_metric([slots] if labels else [], figures[name])
        yield family


def _labelled(queues: list[tuple[str, QueueDescription]]) -> list[tuple[str, QueueDescription]]:
    """The first thousand by name, and all others under one label."""
    return queues[: timings.MOST_QUEUES] + [(timings.OTHER, known) for _, known in queues[timings.MOST_QUEUES :]]


def _of_queues(queues: list[tuple[str, QueueDescription]]) -> Iterator[Metric]:
    values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in (*GAUGES, *TOTALS)}
    for label, known in queues:
        for name, rest, value in _figures(known):
            of_metric, key = values[name], (label, *rest)
            join = max if name in MAXIMA else operator.add
            of_metric[key] = join(of_metric.get(key, 0), value)
    for name, (what, labels) in GAUGES.items():
        yield _filled(GaugeMetricFamily(f"pulpo_queue_{name}", what, labels=["queue", *labels]), values[name])
    for name in TOTALS:
        what = f"Messages {name.replace('_', ' ')} in the life of the queue."
        yield _filled(CounterMetricFamily(f"pulpo_queue_{name}", what, labels=["queue"]), values[name])


def _figures(known: QueueDescription) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """What is told of one queue: metric, labels beside the queue's, value."""
    counts, pauses = known.counts, known.pauses
    for state in STATES:
        yield "messages", (state,), getattr(counts, state)
    yield "bytes", (), counts.bytes
    yield "oldest_age_seconds", (), (counts.oldest_age_ms or 0) / 1000
    yield "waiters", (), known.waiters
    yield "paused", ("push",), pauses.push_until_ms is not None
    yield "paused", ("pop",), pauses.pop_until_ms is not None
    for name in TOTALS:
        yield name, (), getattr(known.totals, name)


def _filled(family: Family, values: dict[tuple[str, ...], float]) -> Family:
    for key, value in values.items():
        family.add_metric(key, value)
    return family
