"""Pause and resume: what stops, what goes on, and until when."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.answers import pointers, problem
from tests.conftest import client_of

PAUSED = "The queue is paused: nothing is delivered until it is resumed."


@pytest.fixture
def queue(admin: FlaskClient) -> FlaskClient:
    """A client of `default`, in which a message lies."""
    admin.post("/push", json={"message": 1})
    return admin


def ahead(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_paused_queue_takes_and_gives_nothing_until_it_is_resumed(queue: FlaskClient) -> None:
    answer = queue.post("/queues/default/pause")
    assert answer.get_json() == {"queue": "default", "paused": {"push": {"until": None}, "pop": {"until": None}}}
    problem(queue.post("/push", json={"message": 2}), 409, "queue-paused")
    assert queue.post("/pop").get_json() == {"queue": "default", "id": None, "message": None, "detail": PAUSED}
    assert queue.post("/pop", json={"max": 2}).get_json() == {"queue": "default", "messages": [], "detail": PAUSED}
    assert queue.get("/count").get_json()["count"] == 1
    assert queue.post("/queues/default/resume").get_json() == {"queue": "default", "paused": {}}
    assert queue.post("/push", json={"message": 2}).status_code == 201
    assert queue.post("/pop").get_json()["message"] == 1


def test_either_can_be_stopped_alone(queue: FlaskClient) -> None:
    queue.post("/queues/default/pause", json={"operation": "push"})
    problem(queue.post("/push", json={"message": 2}), 409, "queue-paused")
    assert queue.post("/pop").get_json()["message"] == 1
    queue.post("/queues/default/pause", json={"operation": "pop"})
    queue.post("/queues/default/resume", json={"operation": "push"})
    assert queue.post("/push", json={"message": 2}).status_code == 201
    assert queue.post("/pop").get_json()["detail"] == PAUSED


def test_a_pause_may_have_an_end(queue: FlaskClient) -> None:
    paused = queue.post("/queues/default/pause", json={"until": ahead(0.3)}).get_json()["paused"]
    assert paused["pop"]["until"].endswith("Z")
    assert queue.post("/pop").get_json()["message"] is None
    time.sleep(0.35)
    assert queue.get("/queues/default").get_json()["paused"] == {}
    assert queue.post("/push", json={"message": 2}).status_code == 201
    assert queue.post("/pop").get_json()["message"] == 1


def test_settling_goes_on(queue: FlaskClient) -> None:
    queue.post("/push", json={"message": 2})
    first, second = queue.post("/pop", json={"lease": 30, "max": 2}).get_json()["messages"]
    queue.post("/queues/default/pause")
    assert queue.post("/extend", json={"receipt": first["receipt"], "lease": 60}).status_code == 200
    assert queue.post("/ack", json={"receipt": first["receipt"]}).status_code == 200
    assert queue.post("/nack", json={"receipt": second["receipt"], "delay": 0}).status_code == 200
    assert queue.post("/pop").get_json()["message"] is None
    queue.post("/queues/default/resume")
    assert queue.post("/pop").get_json()["message"] == 2


def test_a_replay_is_answered_before_the_pause_is_looked_at(queue: FlaskClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = queue.post("/push", json={"message": 2}, headers=headers).get_json()
    taken = queue.post("/pop", json={"lease": 30}, headers=headers).get_json()
    queue.post("/queues/default/pause")
    assert queue.post("/push", json={"message": 2}, headers=headers).get_json() == first
    assert queue.post("/pop", json={"lease": 30}, headers=headers).get_json()["receipt"] == taken["receipt"]


def test_who_waits_at_a_paused_queue_is_served_once_it_is_resumed(app: Flask, queue: FlaskClient) -> None:
    queue.post("/queues/default/pause", json={"operation": "pop"})
    answers: list[object] = []
    waiter = client_of(app, "consumer")
    pop = threading.Thread(
        target=lambda: answers.append(waiter.post("/pop", json={"wait": 10, "lease": 30}).get_json()["message"])
    )
    pop.start()
    time.sleep(0.3)
    assert answers == []
    resumed = time.monotonic()
    queue.post("/queues/default/resume")
    pop.join()
    assert answers == [1]
    assert time.monotonic() - resumed < 0.5


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"until": "tomorrow"}, "/until"),
        ({"until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"until": "2999-01-01T00:00:00Z"}, "/until"),
        ({"until": "2999-01-01T00:00:00"}, "/until"),
        ({"operation": "count"}, "/operation"),
        ({"unknown": 1}, ""),
    ],
)
def test_what_is_no_pause_is_refused(queue: FlaskClient, body: object, pointer: str) -> None:
    assert pointers(problem(queue.post("/queues/default/pause", json=body), 422, "invalid")) == [pointer]
    assert queue.post("/pop").get_json()["message"] == 1


def test_a_queue_that_is_not_there_cannot_be_paused(admin: FlaskClient) -> None:
    problem(admin.post("/queues/none/pause"), 404, "queue-not-found")
    problem(admin.post("/queues/none/resume"), 404, "queue-not-found")
    assert admin.get("/queues").get_json()["queues"] == []
