"""Keys: what was done under one is answered again, and not done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

EndLeases = Callable[[str], None]

KEY = {"Idempotency-Key": "order-42"}


def ready(client: FlaskClient, queue: str = "default") -> int:
    count: int = client.get(f"/queues/{queue}/count").get_json()["ready"]
    return count


def test_the_same_push_under_the_same_key_is_answered_and_not_done_again(admin: FlaskClient) -> None:
    first = admin.post("/push", json={"message": 1}, headers=KEY)
    again = admin.post("/push", json={"message": 1}, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json() == first.get_json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ready(admin) == 1


def test_a_batch_under_the_same_key_answers_all_its_ids(admin: FlaskClient) -> None:
    body = {"messages": [{"message": number} for number in range(1000)]}
    first = admin.post("/push", json=body, headers=KEY).get_json()
    assert admin.post("/push", json=body, headers=KEY).get_json() == first
    assert ready(admin) == 1000


@pytest.mark.parametrize(
    "other", [{"message": 2}, {"message": 1, "delay": 1}, {"messages": [{"message": 1, "key": "k"}]}]
)
def test_another_push_under_the_same_key_is_refused(admin: FlaskClient, other: dict[str, Any]) -> None:
    admin.post("/push", json={"message": 1}, headers=KEY)
    answer = admin.post("/push", json=other, headers=KEY)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency-key-reused")
    assert ready(admin) == 1


def test_a_key_is_its_callers_and_its_queues_own(admin: FlaskClient, producer: FlaskClient) -> None:
    answers = [
        admin.post("/push", json={"message": 1}, headers=KEY),
        producer.post("/push", json={"message": 1}, headers=KEY),
        admin.post("/queues/other/push", json={"message": 1}, headers=KEY),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]


def test_a_replay_is_answered_though_the_queue_is_full(admin: FlaskClient) -> None:
    admin.put("/queues/q", json={"max_messages": 1})
    admin.post("/queues/q/push", json={"message": 1}, headers=KEY)
    admin.post("/queues/q/push", json={"message": 2, "key": "k"})
    assert admin.post("/queues/q/push", json={"message": 1}, headers=KEY).status_code == 200
    assert admin.post("/queues/q/push", json={"message": 2}).status_code == 429


def test_a_message_of_the_same_key_is_pushed_once(admin: FlaskClient) -> None:
    first = admin.post("/push", json={"message": 1, "key": "k"})
    again = admin.post("/push", json={"message": 1, "key": "k"})
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ready(admin) == 1


def test_a_messages_key_holds_for_every_caller(admin: FlaskClient, producer: FlaskClient) -> None:
    admin.post("/push", data=b"x", content_type="text/plain", query_string={"key": "k"})
    answer = producer.post("/push", data=b"x", content_type="text/plain", query_string={"key": "k"})
    assert answer.status_code == 200


def test_a_batch_pushes_only_what_is_new_in_it(admin: FlaskClient) -> None:
    (old,) = admin.post("/push", json={"messages": [{"message": 1, "key": "a"}]}).get_json()["ids"]
    body = {"messages": [{"message": 1, "key": "a"}, {"message": 2, "key": "b"}, {"message": 2, "key": "b"}]}
    answer = admin.post("/push", json=body)
    ids = answer.get_json()["ids"]
    assert answer.status_code == 201
    assert (ids[0], ids[1]) == (old, ids[2])
    assert ready(admin) == 2


def test_a_batch_with_a_reused_key_is_refused_whole_naming_it(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1, "key": "a"})
    answer = admin.post("/push", json={"messages": [{"message": 3}, {"message": 2, "key": "a"}]})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency-key-reused")
    assert answer.get_json()["errors"][0]["pointer"] == "/messages/1/key"
    assert ready(admin) == 1


def test_a_key_is_forgotten_after_the_queues_window(admin: FlaskClient, redis_client: Redis) -> None:
    admin.put("/queues/q", json={"dedup_window": 60})
    admin.post("/queues/q/push", json={"message": 1, "key": "a"})
    assert 59_000 < redis_client.pttl("pulpo:{q}:key:a") <= 60_000
    redis_client.pexpire("pulpo:{q}:key:a", 0)
    assert admin.post("/queues/q/push", json={"message": 1, "key": "a"}).status_code == 201


def test_a_lost_answer_to_a_leased_pop_is_given_again(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": 1}, {"message": 2}, {"message": 3}]})
    first = admin.post("/pop", json={"max": 2, "lease": 30}, headers=KEY).get_json()
    assert admin.post("/pop", json={"max": 2, "lease": 30}, headers=KEY).get_json() == first
    assert ready(admin) == 1


def test_a_pop_again_answers_only_receipts_that_still_stand(admin: FlaskClient, end_leases: EndLeases) -> None:
    admin.post("/push", json={"messages": [{"message": 1}, {"message": 2}]})
    first, second = admin.post("/pop", json={"max": 2, "lease": 30}, headers=KEY).get_json()["messages"]
    admin.post("/ack", json={"receipt": first["receipt"]})
    assert admin.post("/pop", json={"max": 2, "lease": 30}, headers=KEY).get_json()["messages"] == [second]

    end_leases("default")

    (anew,) = admin.post("/pop", json={"max": 2, "lease": 30}, headers=KEY).get_json()["messages"]
    assert (anew["id"], anew["attempt"]) == (second["id"], 2)
    assert anew["receipt"] != second["receipt"]


def test_a_key_without_a_lease_is_refused_and_takes_nothing(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    answer = admin.post("/pop", headers=KEY)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")
    assert ready(admin) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_request_key_that_cannot_be_one_is_refused(admin: FlaskClient, key: str) -> None:
    answer = admin.post("/push", json={"message": 1}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("key", ["", "x" * 129, "a b", "é", "a\n", 1, None])
def test_a_message_key_that_cannot_be_one_is_refused(admin: FlaskClient, key: object) -> None:
    answer = admin.post("/push", json={"message": 1, "key": key})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")
