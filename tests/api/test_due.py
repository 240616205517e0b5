"""What falls due sooner than all that a queue knew of is seen in time (decision 0009)."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient
from redis import Redis

SOON = 0.2


@pytest.fixture
def receipt(admin: FlaskClient) -> str:
    """Of a message "long" that is leased for an hour, so that nothing else falls due before."""
    admin.post("/push", json={"message": "long"})
    receipt: str = admin.post("/pop", json={"lease": 3600}).get_json()["receipt"]
    return receipt


def popped_after(client: FlaskClient, seconds: float) -> object:
    assert client.post("/pop").get_json()["id"] is None
    time.sleep(seconds + 0.05)
    return client.post("/pop").get_json()["message"]


@pytest.mark.usefixtures("receipt")
def test_a_delayed_push(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": "soon", "delay": SOON})
    assert popped_after(admin, SOON) == "soon"


def test_a_message_given_back_with_a_delay(admin: FlaskClient, receipt: str) -> None:
    admin.post("/nack", json={"receipt": receipt, "delay": SOON})
    assert popped_after(admin, SOON) == "long"


def test_a_lease_made_shorter(admin: FlaskClient, receipt: str) -> None:
    admin.post("/extend", json={"receipt": receipt, "lease": 1})
    assert popped_after(admin, 1) == "long"


@pytest.mark.usefixtures("receipt")
def test_a_shorter_lease(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": "soon"})
    admin.post("/pop", json={"lease": 1})
    assert popped_after(admin, 1) == "soon"


def test_a_dead_letter_whose_time_was_made_shorter(admin: FlaskClient, receipt: str) -> None:
    admin.post("/nack", json={"receipt": receipt, "dead": True})
    admin.post("/pop")
    time.sleep(1.05)
    admin.put("/queues/default", json={"dead_ttl": 1})
    admin.post("/pop")
    assert admin.get("/queues/default").get_json()["totals"]["dead_dropped"] == 1


def test_a_lease_of_an_empty_body_made_shorter(admin: FlaskClient) -> None:
    admin.post("/push", data=b"", content_type="text/plain")
    receipt = admin.post("/pop", json={"lease": 3600}).get_json()["receipt"]
    admin.post("/extend", json={"receipt": receipt, "lease": 1})
    assert popped_after(admin, 1) == ""


@pytest.mark.parametrize("key", ["ready:normal", "dead:messages", "inflight"])
def test_a_key_of_the_wrong_type_loses_nothing(admin: FlaskClient, redis_client: Redis, key: str) -> None:
    """Somebody else wrote it; once it is gone, the message is still there."""
    admin.post("/push", json={"message": "soon", "delay": SOON})
    redis_client.set(f"pulpo:{{default}}:{key}", "someone else's")
    time.sleep(SOON + 0.05)
    admin.post("/pop", json={"lease": 30})
    redis_client.delete(f"pulpo:{{default}}:{key}")
    assert admin.post("/pop", json={"lease": 30}).get_json()["message"] == "soon"
