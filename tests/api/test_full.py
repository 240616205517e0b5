"""Redis reaches its maxmemory while batches come in: each is in whole or not at all, and pops make room again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from redis import Redis

from tests.api.answers import problem
from tests.service import wait_until

BATCH = 100
ROOM_BYTES = 4 * 1024 * 1024
BODY = "x" * 2048


@pytest.fixture
def narrow_redis(redis_client: Redis) -> Iterator[Redis]:
    """Has room for a few batches more."""
    redis_client.config_set("maxmemory", redis_client.info("memory")["used_memory"] + ROOM_BYTES)
    yield redis_client
    redis_client.config_set("maxmemory", "0")


def fill_up(client: FlaskClient) -> int:
    """Pushes batches, some messages of which are delayed, until one is refused; returns how many went in."""
    for batch in range(1000):
        messages = [{"message": BODY, "delay": 600 if place % 10 == 0 else 0} for place in range(BATCH)]
        answer = client.post("/push", json={"messages": messages})
        if answer.status_code == 503:
            problem(answer, 503, "store-full")
            return batch
    raise AssertionError("Redis never was full")


def counts(client: FlaskClient) -> tuple[int, int, int, int]:
    answer = client.get("/count").get_json()
    return answer["ready"], answer["delayed"], answer["leased"], answer["dead"]


def test_no_batch_is_half_in(admin: FlaskClient, narrow_redis: Redis) -> None:
    batches = fill_up(admin)
    assert batches > 1
    assert counts(admin) == (batches * BATCH * 9 // 10, batches * BATCH // 10, 0, 0)


def test_all_that_is_no_push_goes_on(admin: FlaskClient, narrow_redis: Redis) -> None:
    batches = fill_up(admin)
    taken = admin.post("/pop", json={"max": BATCH, "lease": 60}).get_json()["messages"]
    assert len(taken) == BATCH
    receipts = [item["receipt"] for item in taken]
    for path, options in {"/extend": {"lease": 30}, "/nack": {"delay": 60}, "/ack": {}}.items():
        part = [receipts.pop() for _ in range(20)]
        if path == "/extend":
            receipts += part
        results = admin.post(path, json={"receipts": part, **options}).get_json()["results"]
        assert {result["status"] for result in results} == {
            {"/extend": "extended", "/nack": "nacked", "/ack": "acked"}[path]
        }
    assert admin.post("/nack", json={"receipt": receipts[0], "dead": True}).status_code == 200
    assert admin.post("/queues/default/redrive").get_json() == {"moved": 1, "remaining": 0}
    assert admin.post("/queues/nothing-here/pop?wait=0.1&lease=5").get_json()["id"] is None
    assert sum(counts(admin)) == batches * BATCH - 20


def test_pops_drain_it_and_pushes_work_again(admin: FlaskClient, narrow_redis: Redis) -> None:
    ready = fill_up(admin) * BATCH * 9 // 10
    drained = 0
    while taken := admin.post("/pop", json={"max": 1000}).get_json()["messages"]:
        drained += len(taken)
    assert drained == ready
    # Redis gives the memory of a large answer back in its own time.
    wait_until(lambda: admin.post("/push", json={"messages": [{"message": BODY}] * BATCH}).status_code == 201)


def test_a_pop_that_finds_nothing_of_what_is_due_passes(admin: FlaskClient, redis_client: Redis) -> None:
    """It marks that somebody waits and what falls due next, which both may grow the memory."""
    admin.post("/push", json={"message": 1, "delay": 600})
    redis_client.config_set("maxmemory", "1")
    try:
        for _ in range(2):
            assert admin.post("/pop?wait=0.1&lease=5").get_json()["id"] is None
    finally:
        redis_client.config_set("maxmemory", "0")
    assert redis_client.hexists("pulpo:{default}:queue", "next_due")
