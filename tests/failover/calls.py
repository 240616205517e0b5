"""What the tests of this directory ask of an app, and how long it may take."""

from __future__ import annotations

import time
from typing import Any

from flask.testing import FlaskClient

from tests.topologies import Cluster, Node, Topology

BOUND_SECONDS = 5.0
AWAY_SECONDS = 12.0


def push(client: FlaskClient, message: object, **headers: str) -> tuple[int, float]:
    """Status and seconds of a push to the queue default; a refusal says when to try again."""
    started_at = time.monotonic()
    answer = client.post("/push", json={"message": message}, headers=headers)
    assert answer.status_code in {201, 503}, answer.text
    assert answer.status_code == 201 or "Retry-After" in answer.headers
    return answer.status_code, time.monotonic() - started_at


def all_messages(client: FlaskClient) -> list[Any]:
    """All that can be popped from the queue default."""
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


def primary_of_default(topology: Topology) -> Node:
    return topology.primary_of("default") if isinstance(topology, Cluster) else topology.primaries()[0]


def check_that_a_primary_may_end(topology: Topology, admin: FlaskClient, fault: str) -> None:
    """After `fault` there is a while of 503, then pushes go on; and no durable push is lost."""
    safe = [number for number in range(100) if push(admin, number, Prefer="durable")[0] == 201]
    assert len(safe) == 100
    getattr(primary_of_default(topology), fault)()
    answers = until_pushed_again(admin)
    assert answers[0][0] == 503
    assert max(seconds for _, seconds in answers) < BOUND_SECONDS
    found = all_messages(admin)
    assert [message for message in found if message != "after"] == safe
    assert "after" in found
