"""A histogram that takes several observations at once."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.web.timings import BatchHistogram


@pytest.mark.parametrize("amount", [0, 0.5, 1, 1.5, 2, 99])
def test_what_is_observed_several_times_at_once_counts_as_often(amount: float) -> None:
    texts = []
    for at_once in (True, False):
        registry = CollectorRegistry()
        histogram = BatchHistogram("seconds", "Seconds.", ["queue"], buckets=(1, 2), registry=registry)
        child = histogram.labels("orders")
        if at_once:
            child.observe_all([amount] * 3)
        else:
            for _ in range(3):
                child.observe(amount)
        texts.append([line for line in generate_latest(registry).decode().splitlines() if "_created" not in line])
    assert texts[0] == texts[1]
