"""The settings of a queue: what they change, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

DEFAULTS = {
    "lease": 30.0,
    "max_attempts": 5,
    "backoff": {"base": 1.0, "factor": 2.0, "max": 300.0},
    "ttl": None,
    "dedup_window": 300.0,
    "max_messages": None,
    "max_bytes": None,
    "dead_max_messages": 10000,
    "dead_ttl": 1209600.0,
}


def test_a_queue_without_settings_of_its_own_shows_the_defaults(admin: FlaskClient) -> None:
    admin.post("/queues/orders/push", json={"message": 1})
    answer = admin.get("/queues/orders").get_json()
    assert answer["settings"] == DEFAULTS
    assert answer["totals"]["pushed"] == 1


def test_settings_make_a_queue_and_replace_what_was_set_before(admin: FlaskClient) -> None:
    first = admin.put("/queues/orders", json={"lease": 60, "max_messages": 10})
    assert (first.status_code, first.get_json()["settings"]) == (201, DEFAULTS | {"lease": 60.0, "max_messages": 10})
    second = admin.put("/queues/orders", json={"max_attempts": 2})
    assert (second.status_code, second.get_json()["settings"]) == (200, DEFAULTS | {"max_attempts": 2})


def test_totals_tell_what_happened(admin: FlaskClient) -> None:
    admin.put("/queues/q", json={"max_attempts": 2})
    admin.post("/queues/q/push", json={"messages": [{"message": 1}, {"message": 2}]})
    taken = admin.post("/queues/q/pop", json={"max": 2, "lease": 30}).get_json()["messages"]
    admin.post("/ack", json={"receipt": taken[0]["receipt"]})
    admin.post("/nack", json={"receipt": taken[1]["receipt"], "dead": True})
    admin.post("/queues/q/redrive")
    assert admin.get("/queues/q").get_json()["totals"] == {
        "pushed": 2,
        "delivered": 2,
        "acked": 1,
        "nacked": 1,
        "died": 1,
        "redriven": 1,
        "dead_dropped": 0,
        "purged": 0,
    }


def test_a_lease_of_true_is_the_queues_own(admin: FlaskClient) -> None:
    admin.put("/queues/q", json={"lease": 1000})
    admin.post("/queues/q/push", json={"message": 1})
    taken = admin.post("/queues/q/pop", json={"lease": True}).get_json()
    assert taken["lease_expires_at"] > taken["pushed_at"]
    assert (
        admin.post("/extend", json={"receipt": taken["receipt"], "lease": 600}).get_json()["lease_expires_at"]
        < (taken["lease_expires_at"])
    )


def test_max_attempts_decides_when_a_message_is_dead(admin: FlaskClient) -> None:
    admin.put("/queues/q", json={"max_attempts": 1})
    admin.post("/queues/q/push", json={"message": 1})
    receipt = admin.post("/queues/q/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/nack", json={"receipt": receipt, "delay": 0})
    assert admin.get("/queues/q/count").get_json()["dead"] == 1


def test_a_queue_at_max_messages_refuses_a_batch_whole(admin: FlaskClient) -> None:
    admin.put("/queues/q", json={"max_messages": 3})
    admin.post("/queues/q/push", json={"messages": [{"message": 1}, {"message": 2, "delay": 60}]})
    admin.post("/queues/q/pop", json={"lease": 30})

    answer = admin.post("/queues/q/push", json={"messages": [{"message": 3}, {"message": 4}]})

    assert (answer.status_code, answer.get_json()["code"]) == (429, "queue-full")
    assert answer.headers["Retry-After"] == "1"
    counts = admin.get("/queues/q/count").get_json()
    assert (counts["ready"], counts["delayed"], counts["leased"]) == (0, 1, 1)
    assert admin.post("/queues/q/push", json={"message": 3}).status_code == 201


def test_messages_that_are_dead_do_not_fill_a_queue(admin: FlaskClient, end_leases: Callable[[str], None]) -> None:
    admin.put("/queues/q", json={"max_messages": 1, "max_attempts": 1})
    admin.post("/queues/q/push", json={"message": 1})
    admin.post("/queues/q/pop", json={"lease": 30})
    end_leases("q")
    assert admin.post("/queues/q/push", json={"message": 2}).status_code == 201


def test_a_queue_at_max_bytes_takes_again_what_was_settled(admin: FlaskClient) -> None:
    admin.put("/queues/q", json={"max_bytes": 10})
    assert admin.post("/queues/q/push", data=b"x" * 10, content_type="text/plain").status_code == 201
    full = admin.post("/queues/q/push", data=b"x", content_type="text/plain")
    assert (full.status_code, full.get_json()["code"]) == (429, "queue-full")
    admin.post("/queues/q/pop")
    assert admin.post("/queues/q/push", data=b"x" * 10, content_type="text/plain").status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"lease": 0},
        {"lease": 43201},
        {"max_attempts": 0},
        {"max_attempts": 1001},
        {"backoff": {"base": -1}},
        {"backoff": {"base": 301}},
        {"backoff": {"factor": 0.5}},
        {"backoff": {"x": 1}},
        {"max_messages": 0},
        {"max_bytes": 0},
        {"dead_max_messages": -1},
        {"dead_ttl": 0},
        {"unknown": 1},
        [],
    ],
)
def test_a_value_out_of_range_is_refused_and_never_clamped(admin: FlaskClient, body: object) -> None:
    answer = admin.put("/queues/q", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")
    assert admin.get("/queues/q").get_json()["code"] == "queue-not-found"


def test_only_a_manager_may_set_and_who_counts_may_look(admin: FlaskClient, producer: FlaskClient) -> None:
    admin.put("/queues/q", json={})
    assert producer.put("/queues/q", json={}).status_code == 403
    assert producer.get("/queues/q").status_code == 200
