"""Time to live: it runs while a message can be taken, and not while it is leased or delayed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from redis import Redis

SHORT = 0.2


def push(client: FlaskClient, body: object, **options: object) -> None:
    assert client.post("/push", json={"message": body, **options}).status_code == 201


def dead(client: FlaskClient) -> list[tuple[object, str]]:
    letters = client.get("/queues/default/dead").get_json()["messages"]
    return [(letter["message"], letter["reason"]) for letter in letters]


def test_a_message_whose_time_is_over_goes_to_the_dead_letters_when_a_pop_meets_it(admin: FlaskClient) -> None:
    push(admin, 1, ttl=SHORT)
    push(admin, 2)
    time.sleep(SHORT)
    assert admin.get("/count").get_json()["ready"] == 2
    assert admin.post("/pop").get_json()["message"] == 2
    assert dead(admin) == [(1, "expired")]
    counts = admin.get("/count").get_json()
    assert (counts["ready"], counts["dead"], counts["bytes"]) == (0, 1, 1)
    assert admin.get("/queues/default").get_json()["totals"]["died"] == 1


def test_within_its_time_a_message_is_delivered(admin: FlaskClient) -> None:
    push(admin, 1, ttl=60)
    assert admin.post("/pop", json={"lease": 30}).get_json()["message"] == 1


def test_the_time_does_not_run_during_a_lease(admin: FlaskClient) -> None:
    push(admin, 1, ttl=SHORT)
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    time.sleep(SHORT)
    admin.post("/nack", json={"receipt": receipt, "delay": 0})
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/nack", json={"receipt": receipt, "delay": 0})
    time.sleep(SHORT)
    assert admin.post("/pop").get_json()["message"] is None
    assert dead(admin) == [(1, "expired")]


def test_it_runs_from_the_end_of_a_lease_that_ran_out(admin: FlaskClient, end_leases: Callable[[str], None]) -> None:
    push(admin, 1, ttl=0.5)
    push(admin, 2, ttl=60)
    admin.post("/pop", json={"lease": 30, "max": 2})
    end_leases("default")  # a second ago
    assert [item["message"] for item in admin.post("/pop", json={"max": 2}).get_json()["messages"]] == [2]
    assert dead(admin) == [(1, "expired")]


@pytest.mark.parametrize("extended", [False, True])
def test_it_has_run_since_the_lease_ended_when_the_message_is_given_back(
    admin: FlaskClient, end_leases: Callable[[str], None], extended: bool
) -> None:
    push(admin, 1, ttl=0.5)
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    end_leases("default")  # a second ago
    if extended:
        assert admin.post("/extend", json={"receipt": receipt, "lease": 30}).status_code == 200
    admin.post("/nack", json={"receipt": receipt, "delay": 0})
    assert admin.post("/pop").get_json()["message"] is None
    assert dead(admin) == [(1, "expired")]


def test_it_runs_from_the_end_of_a_delay(admin: FlaskClient, age: Callable[[str, float], None]) -> None:
    push(admin, 1, ttl=SHORT, delay=60)
    push(admin, 2, ttl=60, delay=60)
    time.sleep(SHORT)
    age("pulpo:{default}:delayed", 61)
    assert [item["message"] for item in admin.post("/pop", json={"max": 2}).get_json()["messages"]] == [2]
    assert dead(admin) == [(1, "expired")]


def test_a_queues_own_ttl_holds_for_messages_that_bring_none(admin: FlaskClient) -> None:
    admin.put("/queues/default", json={"ttl": SHORT})
    push(admin, 1)
    push(admin, 2, ttl=60, attributes={"a": "b"})
    admin.put("/queues/default", json={})
    push(admin, 3)
    time.sleep(SHORT)
    messages = admin.post("/pop", json={"max": 3}).get_json()["messages"]
    assert [(item["message"], item.get("attributes")) for item in messages] == [(2, {"a": "b"}), (3, None)]


def test_a_redriven_message_has_all_of_its_time_again(admin: FlaskClient) -> None:
    push(admin, 1, ttl=SHORT)
    time.sleep(SHORT)
    admin.post("/pop")
    admin.post("/queues/default/redrive")
    assert admin.post("/pop").get_json()["message"] == 1


def test_a_follower_has_its_time_from_when_it_can_be_taken(admin: FlaskClient) -> None:
    push(admin, 1, group="a")
    push(admin, 2, group="a", ttl=SHORT)
    push(admin, 3, group="a")
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    time.sleep(SHORT)
    admin.post("/ack", json={"receipt": receipt})
    time.sleep(SHORT)
    assert admin.post("/pop").get_json()["message"] == 3
    assert dead(admin) == [(2, "expired")]


def test_a_pop_clears_away_as_many_as_it_must(admin: FlaskClient, redis_client: Redis) -> None:
    for _ in range(3):
        batch = [{"message": place, "ttl": 0.001} for place in range(1000)]
        assert admin.post("/push", json={"messages": batch}).status_code == 201
    push(admin, "alive")
    assert admin.post("/pop").get_json()["message"] == "alive"
    counts = admin.get("/count").get_json()
    assert (counts["ready"], counts["dead"]) == (0, 3000)


def test_a_pop_that_clears_away_too_much_says_so(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.redis_queues.CLEARING_SECONDS", 0)
    for _ in range(2):
        admin.post("/push", json={"messages": [{"message": place, "ttl": 0.001} for place in range(1000)]})
    answer = admin.post("/pop")
    assert (answer.get_json()["message"], answer.headers["Retry-After"]) == (None, "1")
    assert "cleared away" in answer.get_json()["detail"]


def test_a_step_counts_what_it_promotes(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small heads whose time is over, each with a large follower: a step must not move all of them."""
    monkeypatch.setattr("app.storage.redis_queues.CLEARING_SECONDS", 0)
    large = "x" * 250_000
    for place in range(50):
        two = [{"message": 1, "ttl": 0.001, "group": f"g{place}"}, {"message": large, "group": f"g{place}"}]
        assert admin.post("/push", json={"messages": two}).status_code == 201
    assert "cleared away" in admin.post("/pop", json={"lease": 30}).get_json()["detail"]
    assert 30 < admin.get("/count").get_json()["dead"] < 40
    while "cleared away" in admin.post("/pop", json={"max": 1}).get_json().get("detail", ""):
        pass
    assert admin.get("/count").get_json() | {"oldest_age": 0, "bytes": 0} == {
        "queue": "default",
        "count": 49,
        "ready": 49,
        "delayed": 0,
        "leased": 0,
        "dead": 50,
        "bytes": 0,
        "oldest_age": 0,
    }
