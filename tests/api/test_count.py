"""GET /count and GET /queues/{queue}/count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from redis import Redis

from tests.api.answers import problem

EMPTY = {"count": 0, "ready": 0, "delayed": 0, "leased": 0, "dead": 0, "bytes": 0, "oldest_age": None}


def test_a_queue_that_does_not_exist_counts_as_empty(viewer: FlaskClient) -> None:
    assert viewer.get("/queues/never-used/count").get_json() == {"queue": "never-used"} | EMPTY


def test_counting_creates_nothing(viewer: FlaskClient, redis_client: Redis) -> None:
    viewer.get("/queues/never-used/count")
    assert redis_client.keys() == []


def test_count_is_of_the_queue_default_where_none_is_named(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    assert admin.get("/count").get_json()["queue"] == "default"
    assert admin.get("/queues/default/count").get_json()["count"] == 1


def test_count_splits_by_state(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": "ab"}, {"message": "cd"}, {"message": "ef"}]})
    admin.post("/push", json={"message": "later", "delay": 60})
    admin.post("/pop", json={"lease": 60})
    counted = admin.get("/count").get_json()
    assert (counted["count"], counted["ready"], counted["delayed"], counted["leased"], counted["dead"]) == (
        2,
        2,
        1,
        1,
        0,
    )


def test_bytes_are_those_of_the_bodies_in_every_living_state(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": "ab"}, {"message": 123}, {"message": [], "delay": 60}]})
    admin.post("/pop", json={"lease": 60})
    assert admin.get("/count").get_json()["bytes"] == 9


def test_bytes_shrink_as_messages_leave(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": "ab"}, {"message": 123}]})
    admin.post("/pop")
    assert admin.get("/count").get_json()["bytes"] == 3


def test_a_message_whose_lease_is_over_counts_as_ready_though_nobody_moved_it(
    admin: FlaskClient, end_leases: Callable[[str], None]
) -> None:
    admin.post("/push", json={"message": 1})
    admin.post("/pop", json={"lease": 60})
    end_leases("default")
    counted = admin.get("/count").get_json()
    assert (counted["count"], counted["leased"]) == (1, 0)


def test_a_message_whose_last_lease_is_over_counts_as_dead(
    admin: FlaskClient, end_leases: Callable[[str], None]
) -> None:
    admin.post("/push", json={"message": 1})
    for _ in range(5):
        admin.post("/pop", json={"lease": 60})
        end_leases("default")
    counted = admin.get("/count").get_json()
    assert (counted["count"], counted["leased"], counted["dead"]) == (0, 0, 1)


def test_the_oldest_age_is_in_seconds(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    assert 0 <= admin.get("/count").get_json()["oldest_age"] < 5


def test_head_of_count_is_get_without_a_body(viewer: FlaskClient) -> None:
    answer = viewer.head("/count")
    assert (answer.status_code, answer.data, answer.content_type) == (200, b"", "application/json")


def test_an_option_given_twice_is_refused(viewer: FlaskClient) -> None:
    body = problem(viewer.get("/count?state=ready&state=dead"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "state"


@pytest.mark.parametrize("queue", ["-a", ".a", "a b", "ä", "a" * 81, "a:b", "a{b}", "%00"])
def test_a_bad_queue_name_is_refused(admin: FlaskClient, queue: str) -> None:
    body = problem(admin.get(f"/queues/{queue}/count"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "queue"
