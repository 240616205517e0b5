"""What clients see while servers end, freeze, change places and hand over slots."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.failover.conftest import On
from tests.topologies import Cluster, SentinelSet, Topology, slot_of

BOUND_SECONDS = 5.0
AWAY_SECONDS = 12.0


@pytest.fixture
def admin(topology: Topology, on: On) -> FlaskClient:
    return on(topology)


def push(client: FlaskClient, message: object, **headers: str) -> tuple[int, float]:
    """Status and seconds of a push to the queue default; a refusal says when to try again."""
    started_at = time.monotonic()
    answer = client.post("/push", json={"message": message}, headers=headers)
    assert answer.status_code in {201, 503}, answer.text
    assert answer.status_code == 201 or "Retry-After" in answer.headers
    return answer.status_code, time.monotonic() - started_at


def all_messages(client: FlaskClient) -> list[Any]:
    found: list[Any] = []
    while True:
        answer = client.post("/pop", json={"max": 1000, "lease": 600})
        assert answer.status_code == 200, answer.text
        if not (some := answer.get_json()["messages"]):
            return found
        found += [each["message"] for each in some]


def until_pushed_again(client: FlaskClient) -> list[tuple[int, float]]:
    """Pushes until one succeeds; all answers."""
    answers, deadline = [push(client, "after")], time.monotonic() + AWAY_SECONDS
    while answers[-1][0] != 201:
        assert time.monotonic() < deadline, "it did not go on without a restart"
        time.sleep(0.05)
        answers.append(push(client, "after"))
    return answers


def primary_of_default(topology: Topology) -> Any:
    return topology.primary_of("default") if isinstance(topology, Cluster) else topology.primaries()[0]


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_primary_that_ends_is_a_while_of_503_and_no_durable_push_is_lost(
    topology: Topology, admin: FlaskClient, fault: str
) -> None:
    safe = [number for number in range(100) if push(admin, number, Prefer="durable")[0] == 201]
    assert len(safe) == 100
    getattr(primary_of_default(topology), fault)()
    answers = until_pushed_again(admin)
    assert answers[0][0] == 503
    assert max(seconds for _, seconds in answers) < BOUND_SECONDS
    found = all_messages(admin)
    assert [message for message in found if message != "after"] == safe
    assert "after" in found


def test_without_any_sentinel_a_new_connection_is_refused_in_time(sentinel_set: SentinelSet, on: On) -> None:
    sentinel_set.heal()
    for sentinel in sentinel_set.sentinels:
        sentinel.freeze()
    try:
        status, seconds = push(on(sentinel_set), 1)
    finally:
        sentinel_set.heal()
    assert status == 503
    assert seconds < BOUND_SECONDS


def test_without_any_server_a_cluster_is_refused_in_time(cluster: Cluster, on: On) -> None:
    cluster.heal()
    for node in cluster.nodes:
        node.freeze()
    try:
        status, seconds = push(on(cluster), 1)
    finally:
        cluster.heal()
    assert status == 503
    assert seconds < BOUND_SECONDS


def test_a_slot_that_moves_under_load_loses_nothing(cluster: Cluster, on: On) -> None:
    """While some keys of a queue have moved, nothing of it can run (TRYAGAIN): what waits too long is told 503."""
    cluster.heal()
    cluster.empty()
    apps = [on(cluster), on(cluster)]
    slot = slot_of("default")
    source = cluster.owner(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    answers: list[tuple[int, int, float]] = []
    is_over = threading.Event()

    def load(client: FlaskClient, first: int) -> None:
        number = first
        while not is_over.is_set():
            answers.append((number, *push(client, number)))
            number += 2

    threads = [threading.Thread(target=load, args=[app, number]) for number, app in enumerate(apps)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    cluster.begin_move(slot, target)
    cluster.move_keys(slot, target, limit=1)
    time.sleep(0.3)
    cluster.move_keys(slot, target)
    cluster.end_move(slot, target)
    time.sleep(0.3)
    is_over.set()
    for thread in threads:
        thread.join(10)
    assert cluster.owner(slot) is target
    cluster.begin_move(slot, source)
    cluster.move_keys(slot, source)
    cluster.end_move(slot, source)  # as others expect it; and followed once more
    pushed = sorted(number for number, status, _ in answers if status == 201)
    assert [status for _, status, _ in answers if status != 201] == []
    assert max(seconds for *_, seconds in answers) < BOUND_SECONDS
    assert sorted(all_messages(apps[0])) == pushed
    assert apps[1].get("/count").get_json()["leased"] == len(pushed)
