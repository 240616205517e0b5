"""A look at messages in every state: in the order of their delivery, without a receipt, without a trace."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from redis import Redis

from tests.api.answers import problem


def peek(client: FlaskClient, query: str = "") -> list[dict[str, object]]:
    """All pages of one look, two messages each."""
    items: list[dict[str, object]] = []
    cursor = ""
    while True:
        page = client.get(f"/queues/default/messages?limit=2{query}{cursor}").get_json()
        items += page["messages"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


@pytest.fixture
def queue(admin: FlaskClient) -> FlaskClient:
    """Messages in every state: 1 is leased, 2 dead, 3 delayed, the others ready, 8 and 9 behind 7 of their group."""
    admin.post("/push", json={"messages": [{"message": 1}, {"message": 2}]})
    _, second = admin.post("/pop", json={"max": 2, "lease": 600}).get_json()["messages"]
    admin.post("/nack", json={"receipt": second["receipt"], "dead": True, "error": "no"})
    messages = [{"message": 4}, {"message": 5, "priority": "high"}, {"message": 6, "attributes": {"a": "b"}}]
    group = [{"message": body, "group": "g"} for body in (7, 8, 9)]
    admin.post("/push", json={"messages": [{"message": 3, "delay": 60}, *messages, *group]})
    return admin


def test_ready_messages_stand_in_the_order_of_their_delivery(queue: FlaskClient) -> None:
    items = peek(queue)
    assert [item["message"] for item in items] == [5, 4, 6, 7, 8, 9]
    assert items[0].keys() == {"id", "message", "priority", "state", "attempts", "pushed_at"}
    assert (items[2]["attributes"], items[3]["group"]) == ({"a": "b"}, "g")


def test_other_states_say_when_they_end(queue: FlaskClient) -> None:
    (delayed,) = peek(queue, "&state=delayed")
    (leased,) = peek(queue, "&state=leased")
    (dead,) = peek(queue, "&state=dead")
    assert (delayed["message"], delayed["attempts"], str(delayed["due_at"]) > str(delayed["pushed_at"])) == (3, 0, True)
    assert (leased["message"], leased["attempts"]) == (1, 1)
    assert str(leased["lease_expires_at"]) > str(leased["pushed_at"])
    assert (dead["message"], dead["reason"], dead["error"], dead["state"]) == (2, "rejected", "no", "dead")


def test_a_lease_or_delay_that_is_over_is_seen_among_the_ready(
    queue: FlaskClient, end_leases: Callable[[str], None], age: Callable[[str, float], None]
) -> None:
    end_leases("default")
    age("pulpo:{default}:delayed", 61)
    assert [item["message"] for item in peek(queue)] == [5, 1, 4, 6, 7, 3, 8, 9]
    assert peek(queue, "&state=leased") == peek(queue, "&state=delayed") == []


@pytest.mark.parametrize("state", ["ready", "delayed", "leased", "dead"])
def test_looking_changes_nothing_and_shows_no_receipt(queue: FlaskClient, redis_client: Redis, state: str) -> None:
    def everything() -> dict[object, object]:
        return {key: redis_client.dump(key) for key in redis_client.keys("pulpo:{*")}

    before = everything()
    assert all("receipt" not in item for item in peek(queue, f"&state={state}"))
    assert everything() == before


def test_a_page_ends_after_eight_megabytes(admin: FlaskClient) -> None:
    body = b"x" * 262_144
    for _ in range(40):
        admin.post("/push", data=body, content_type="text/plain")
    page = admin.get("/queues/default/messages?limit=1000").get_json()
    assert (len(page["messages"]), page["next_cursor"]) == (32, "32")


@pytest.mark.parametrize(
    "query", ["state=gone", "limit=0", "limit=1001", "cursor=x", "cursor=-1", "cursor=99999999999999999999", "a=b"]
)
def test_what_cannot_be_looked_at_is_refused(queue: FlaskClient, query: str) -> None:
    problem(queue.get(f"/queues/default/messages?{query}"), 422, "invalid")


def test_looking_needs_the_permission_and_a_queue(
    admin: FlaskClient, producer: FlaskClient, consumer: FlaskClient
) -> None:
    problem(producer.get("/queues/default/messages"), 403, "forbidden")
    problem(consumer.get("/queues/default/messages"), 404, "queue-not-found")
    problem(admin.get("/queues/default/messages?state=dead"), 404, "queue-not-found")
