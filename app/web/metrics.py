"""What Prometheus reads: requests as the processes count them, queues and Redis as Redis knows them."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Iterator
from typing import TypeVar

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import StoreUnavailable
from app.models import QueueDescription, QueueTotals
from app.web.context import Services

MOST_QUEUES = 1_000
OTHER = "__other__"
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
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # the client library's own; the server's configuration sets it

Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)

own_metrics = CollectorRegistry()
requests = Histogram(
    "pulpo_http_request_duration_seconds",
    "How long requests took, by method, route and status; a long poll among them.",
    ["method", "route", "status"],
    buckets=BUCKETS,
    registry=own_metrics,
)


def measure(app: Flask) -> None:
    """Counts and times every request to `app`."""
    app.after_request(_observe)


def _observe(response: Response) -> Response:
    # Labels must be few: a client may send any method to any path.
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    requests.labels(method, route, response.status_code).observe(time.perf_counter() - g.started)
    return response


def exposition(services: Services) -> bytes:
    """All metrics in Prometheus's text format. Redis out of reach is a metric, too."""
    registry = CollectorRegistry()
    if SHARED_DIRECTORY in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = own_metrics
    return generate_latest(registry) + generate_latest(_FromRedis(services))


class _FromRedis:
    """The figures that Redis has, so that they are right with any number of processes and nodes."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        try:
            server = self._services.system.measures()
            queues = list(self._services.catalog.describe_all())
        except StoreUnavailable:
            yield GaugeMetricFamily("pulpo_redis_up", "Whether Redis answers.", 0)
            return
        yield GaugeMetricFamily("pulpo_redis_up", "Whether Redis answers.", 1)
        for name, value in server.items():
            yield GaugeMetricFamily(f"pulpo_redis_{name}", f"Redis: {name.replace('_', ' ')}.", value)
        yield GaugeMetricFamily("pulpo_queues", "How many queues there are.", len(queues))
        yield from _of_queues(_labelled(queues))


def _labelled(queues: list[tuple[str, QueueDescription]]) -> list[tuple[str, QueueDescription]]:
    """The first thousand by name, and all others under one label."""
    return queues[:MOST_QUEUES] + [(OTHER, known) for _, known in queues[MOST_QUEUES:]]


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
