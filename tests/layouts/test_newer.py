"""Messages in a layout of the future, as a Pulpo that went back meets them: refused clearly, and left as they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.storage.keys import QueueKeys
from tests.layouts.make import dump
from tests.layouts.restored import restore
from tests.stores import PREFIX

VERSION_OFFSET = 16
LEASE = {"lease": 30}
Client = Any  # a Redis; its types leave open whether it answers bytes or text
KEYS = QueueKeys.of(PREFIX, "kept")


@pytest.fixture
def receipts(redis_client: Client) -> dict[str, str]:
    """Of what is leased, by the messages; all that there is lies in layout 2."""
    receipts = restore(redis_client, Path(__file__).with_name("v1.json"))
    for key in KEYS.ready:
        for place, envelope in enumerate(redis_client.lrange(key, 0, -1)):
            redis_client.lset(key, place, newer(envelope))
    for envelope, due in redis_client.zrange(KEYS.delayed, 0, -1, withscores=True):
        redis_client.zrem(KEYS.delayed, envelope)
        redis_client.zadd(KEYS.delayed, {newer(envelope): due})
    for key in (KEYS.inflight, KEYS.dead_messages):
        for message_id, entry in redis_client.hgetall(key).items():
            head = 19 if key == KEYS.inflight else 3 + int.from_bytes(entry[1:3], "big")
            redis_client.hset(key, message_id, newer(entry, head))
    return receipts


def newer(envelope: bytes, head: int = 0) -> bytes:
    """The envelope after `head` bytes, in layout 2."""
    place = head + VERSION_OFFSET
    assert envelope[place] == 1
    return envelope[:place] + b"\x02" + envelope[place + 1 :]


def held(client: Client) -> dict[str, Any]:
    """All that tells of messages."""
    keys = [key for key in KEYS.all_content if key != KEYS.queue]
    return {key: dump(client, key.encode()) for key in keys if client.exists(key)} | {
        "bytes": client.hget(KEYS.queue, "bytes")
    }


def is_refused(answer: TestResponse) -> bool:
    return (
        answer.status_code == 503
        and answer.get_json()["code"] == "store-unavailable"
        and "newer Pulpo" in answer.get_json()["detail"]
        and "Retry-After" in answer.headers
    )


@pytest.mark.parametrize("something_is_due", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"lease": 30}, {"max": 10}, {"max": 10, "lease": 30}, {"lease": 30, "wait": 5}]
)
def test_a_pop_is_refused_and_takes_nothing(
    admin: FlaskClient,
    receipts: dict[str, str],
    redis_client: Client,
    options: dict[str, Any],
    something_is_due: bool,
) -> None:
    if not something_is_due:
        redis_client.delete(KEYS.ready[0])
        redis_client.hset(KEYS.queue, "next_due", int(time.time() * 1000) + 60_000)
    before = held(redis_client)
    assert is_refused(admin.post("/queues/kept/pop", json=options))
    assert held(redis_client) == before


@pytest.mark.parametrize("due", ["lease", "delay"])
def test_what_has_fallen_due_stays_where_it_is(
    admin: FlaskClient,
    receipts: dict[str, str],
    redis_client: Client,
    age: Callable[[str, float], None],
    due: str,
) -> None:
    redis_client.delete(*KEYS.ready)
    if due == "delay":
        redis_client.zremrangebyscore(KEYS.leased[1], 0, time.time() * 1000)
        age(KEYS.delayed, 3601)
    before = held(redis_client)
    for options in ({}, {"max": 10, **LEASE}):
        assert is_refused(admin.post("/queues/kept/pop", json=options))
    assert held(redis_client) == before


@pytest.mark.parametrize("operation", ["ack", "nack", "extend"])
def test_a_receipt_is_refused_and_settles_nothing(
    admin: FlaskClient, receipts: dict[str, str], redis_client: Client, operation: str
) -> None:
    before = held(redis_client)
    options = {"lease": 60} if operation == "extend" else {}
    for receipt in receipts.values():
        assert is_refused(admin.post(f"/{operation}", json={"receipt": receipt, **options}))
    assert is_refused(admin.post(f"/{operation}", json={"receipts": list(receipts.values()), **options}))
    assert held(redis_client) == before


@pytest.mark.parametrize("state", ["ready", "delayed", "leased"])
def test_a_look_is_refused(admin: FlaskClient, receipts: dict[str, str], state: str) -> None:
    assert is_refused(admin.get(f"/queues/kept/messages?state={state}"))


def test_dead_letters_are_neither_shown_nor_given_back_nor_removed(
    admin: FlaskClient, receipts: dict[str, str], redis_client: Client
) -> None:
    before = held(redis_client)
    ids = [bytes(message_id).hex() for message_id in redis_client.hkeys(KEYS.dead_messages)]
    for message_id in ids:
        dashed = "-".join([message_id[:8], message_id[8:12], message_id[12:16], message_id[16:20], message_id[20:]])
        assert is_refused(admin.delete(f"/queues/kept/dead/{dashed}"))
        assert is_refused(admin.post("/queues/kept/redrive", json={"ids": [dashed]}))
    assert is_refused(admin.get("/queues/kept/dead"))
    assert is_refused(admin.post("/queues/kept/redrive"))
    assert held(redis_client) == before


def test_what_stands_before_it_is_delivered_and_counts_are_told(
    admin: FlaskClient, receipts: dict[str, str], redis_client: Client
) -> None:
    redis_client.lset(KEYS.ready[0], 0, redis_client.lindex(KEYS.ready[0], 0).replace(b"\x02", b"\x01", 1))
    before = admin.get("/queues/kept/count").get_json()
    messages = admin.post("/queues/kept/pop", json={"max": 10}).get_json()["messages"]
    assert [item["message"] for item in messages] == ["ready high"]
    assert admin.get("/queues/kept/count").get_json()["ready"] == before["ready"] - 1
