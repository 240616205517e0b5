"""Messages that released versions left in Redis: each is delivered, settled, given back, counted and purged rightly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from tests.layouts.restored import restore

LAYOUTS = sorted(Path(__file__).parent.glob("v*.json"))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
POP, PUSH = "/queues/kept/pop", "/queues/kept/push"
READY = [
    ("ready high", 1),
    ("overdue", 2),
    ("AP8fiw==", 1),
    ("ready traced", 1),
    ("ready with ttl", 1),
    ("ready head", 1),
    ("with a key", 1),
    ("under a key", 1),
    ("ready low", 1),
]


@pytest.fixture(params=LAYOUTS, ids=lambda path: path.stem)
def receipts(request: pytest.FixtureRequest, redis_client: Redis) -> dict[str, str]:
    """Of what is leased, by the messages; the queue is there again."""
    return restore(redis_client, request.param)


def counts(client: FlaskClient) -> dict[str, int]:
    told = client.get("/queues/kept/count").get_json()
    return {state: told[state] for state in ("ready", "delayed", "leased", "dead")}


def take(client: FlaskClient) -> list[dict[str, Any]]:
    """All that can be had now, leased."""
    messages: list[dict[str, Any]] = client.post(POP, json={"max": 100, "lease": 600}).get_json()["messages"]
    return messages


def attempts(messages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(item["message"], item["attempt"]) for item in messages]


def test_every_message_counts_in_its_state(admin: FlaskClient, receipts: dict[str, str]) -> None:
    assert counts(admin) == {"ready": 12, "delayed": 3, "leased": 7, "dead": 4}
    assert len(receipts) == 7
    assert admin.get("/queues").get_json()["queues"][0]["queue"] == "kept"
    assert admin.get("/queues/kept").get_json()["settings"]["max_attempts"] == 2


def test_what_is_ready_comes_in_its_order_with_all_that_it_carries(
    admin: FlaskClient, receipts: dict[str, str]
) -> None:
    messages = take(admin)
    assert attempts(messages) == READY
    assert (messages[2]["content_type"], messages[2]["attributes"]) == ("application/gzip", {"a": "b"})
    assert messages[3]["traceparent"] == TRACE


def test_what_is_leased_is_settled_by_its_receipt(admin: FlaskClient, receipts: dict[str, str]) -> None:
    given_back = receipts.pop("last attempt")
    extended = admin.post("/extend", json={"receipts": list(receipts.values()), "lease": 600}).get_json()["results"]
    assert {each["status"] for each in extended} == {"extended"}
    acked = admin.post("/ack", json={"receipts": list(receipts.values())}).get_json()["results"]
    assert {each["status"] for each in acked} == {"acked"}
    assert admin.post("/nack", json={"receipt": given_back, "error": "no"}).status_code == 200
    assert counts(admin) == {"ready": 12, "delayed": 3, "leased": 0, "dead": 5}


def test_followers_come_in_their_order_once_the_head_of_their_group_is_acked(
    admin: FlaskClient, receipts: dict[str, str]
) -> None:
    take(admin)
    for follower in ("follower 1", "follower 2"):
        admin.post("/ack", json={"receipt": receipts["leased head"]})
        (message,) = take(admin)
        assert (message["message"], message["group"]) == (follower, "a")
        receipts["leased head"] = message["receipt"]


def test_what_falls_due_comes_again(
    admin: FlaskClient,
    receipts: dict[str, str],
    age: Callable[[str, float], None],
    end_leases: Callable[[str], None],
) -> None:
    take(admin)
    age("pulpo:{kept}:delayed", 3601)
    assert attempts(take(admin)) == [("given back for later", 2), ("delayed", 1), ("delayed with ttl", 1)]
    admin.post("/queues/kept/purge?confirm=kept&state=dead")
    end_leases("kept")
    leased_once = {"leased high", "leased normal", "leased low", "leased with ttl", "leased head", "popped under a key"}
    again = {message for message, attempt in attempts(take(admin)) if attempt == 2}
    assert again >= leased_once
    died = admin.get("/queues/kept/dead").get_json()["messages"]
    assert {item["message"] for item in died} == {"last attempt", "overdue", "given back for later"}


def test_the_dead_say_why_and_are_given_back(admin: FlaskClient, receipts: dict[str, str]) -> None:
    letters = admin.get("/queues/kept/dead").get_json()["messages"]
    assert [(item["message"], item["attempts"], item["reason"], item["error"]) for item in letters] == [
        ("worn out", 2, "max-attempts", "it never works"),
        ("rejected", 1, "rejected", "bad order"),
        ("expired", 0, "expired", ""),
        ("spent", 2, "max-attempts", ""),
    ]
    assert letters[1]["attributes"] == {"source": "shop"}
    admin.post("/queues/kept/purge?confirm=kept&state=ready")
    assert admin.post("/queues/kept/redrive").get_json() == {"moved": 4, "remaining": 0}


def test_what_was_done_under_a_key_is_not_done_again(admin: FlaskClient, receipts: dict[str, str]) -> None:
    deduplicated = admin.post(PUSH, json={"message": "with a key", "key": "order-1"})
    repeated = admin.post(PUSH, json={"message": "under a key"}, headers={"Idempotency-Key": "push 1"})
    for answer in (deduplicated, repeated):
        assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (200, "true")
    popped = admin.post(POP, json={"lease": 600}, headers={"Idempotency-Key": "pop 1"}).get_json()
    assert popped["receipt"] == receipts["popped under a key"]
    assert counts(admin)["ready"] == 12


def test_each_message_is_delivered_once_and_nothing_is_left(
    admin: FlaskClient, receipts: dict[str, str], age: Callable[[str, float], None], redis_client: Redis
) -> None:
    age("pulpo:{kept}:delayed", 3601)
    admin.post("/queues/kept/redrive")
    admin.post("/ack", json={"receipts": list(receipts.values())})
    delivered: list[str] = []
    while messages := take(admin):
        delivered += [item["message"] for item in messages]
        admin.post("/ack", json={"receipts": [item["receipt"] for item in messages]})
    assert len(delivered) == len(set(delivered)) == 18
    told = admin.get("/queues/kept/count").get_json()  # what may live for a millisecond died again
    assert [told[name] for name in ("ready", "delayed", "leased", "dead", "bytes")] == [0, 0, 0, 1, len('"expired"')]
    assert not list(redis_client.scan_iter("pulpo:{kept}:group*"))


@pytest.mark.parametrize("state", ["ready", "delayed", "leased", "dead"])
def test_a_state_is_purged_and_nothing_else(admin: FlaskClient, receipts: dict[str, str], state: str) -> None:
    before = counts(admin)
    purged = admin.post(f"/queues/kept/purge?confirm=kept&state={state}").get_json()["purged"]
    assert purged == before[state]
    assert counts(admin) == before | {state: 0}
