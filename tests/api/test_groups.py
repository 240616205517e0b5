"""FIFO groups: strict order, one delivery of a group at a time, others pass, and no group is ever stuck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

LEASE = {"lease": 30, "max": 100}


def push(client: FlaskClient, group: str | None, *bodies: object) -> None:
    option = {} if group is None else {"group": group}
    assert client.post("/push", json={"messages": [{"message": body, **option} for body in bodies]}).status_code == 201


def lease(client: FlaskClient) -> dict[Any, str]:
    """The receipt of each body that can be had now, in the order of their delivery."""
    messages = client.post("/pop", json=LEASE).get_json()["messages"]
    return {item["message"]: item["receipt"] for item in messages}


def drained(client: FlaskClient) -> list[Any]:
    """What comes out if each delivery is acked at once."""
    bodies: list[Any] = []
    while taken := lease(client):
        bodies += taken
        client.post("/ack", json={"receipts": list(taken.values())})
    return bodies


def nothing_is_left_of_groups(redis_client: Redis) -> bool:
    return redis_client.exists("pulpo:{default}:groups", "pulpo:{default}:grouped") == 0


def test_one_of_a_group_at_a_time_while_others_pass(admin: FlaskClient) -> None:
    push(admin, "a", "a1", "a2")
    push(admin, None, "free")
    push(admin, "b", "b1", "b2")
    assert list(lease(admin)) == ["a1", "free", "b1"]
    assert lease(admin) == {}


def test_an_ack_lets_the_next_of_its_group_come(admin: FlaskClient, redis_client: Redis) -> None:
    push(admin, "a", 1, 2, 3)
    assert drained(admin) == [1, 2, 3]
    assert nothing_is_left_of_groups(redis_client)


def test_followers_count_as_ready(admin: FlaskClient) -> None:
    push(admin, "a", 1, 2, 3)
    lease(admin)
    counts = admin.get("/count").get_json()
    assert (counts["ready"], counts["leased"], counts["bytes"]) == (2, 1, 3)


def test_a_group_whose_head_is_given_back_stays_blocked_until_it_comes_again(admin: FlaskClient) -> None:
    push(admin, "a", 1, 2)
    receipt = lease(admin)[1]
    admin.post("/nack", json={"receipt": receipt, "delay": 60})
    assert lease(admin) == {}
    push(admin, "b", 3)
    receipt = lease(admin)[3]
    admin.post("/nack", json={"receipt": receipt, "delay": 0})
    assert list(lease(admin)) == [3]


def test_a_group_whose_heads_lease_ran_out_delivers_the_head_again(
    admin: FlaskClient, end_leases: Callable[[str], None]
) -> None:
    push(admin, "a", 1, 2)
    lease(admin)
    end_leases("default")
    assert list(lease(admin)) == [1]


@pytest.mark.parametrize("how", ["dead", "last attempt nacked", "last lease ran out"])
def test_a_poison_head_blocks_its_group_until_it_is_dead(
    admin: FlaskClient, end_leases: Callable[[str], None], how: str
) -> None:
    admin.put("/queues/default", json={"max_attempts": 1})
    push(admin, "a", 1, 2)
    receipt = lease(admin)[1]
    if how == "last lease ran out":
        end_leases("default")
    else:
        admin.post("/nack", json={"receipt": receipt, "dead": how == "dead"})
    assert list(lease(admin)) == [2]


def test_a_destructive_pop_takes_a_group_in_its_order(admin: FlaskClient, redis_client: Redis) -> None:
    push(admin, "a", 1, 2, 3)
    push(admin, None, 4)
    assert admin.post("/pop").get_json()["message"] == 1
    messages = admin.post("/pop", json={"max": 10}).get_json()["messages"]
    assert [item["message"] for item in messages] == [4, 2, 3]
    assert messages[1]["group"] == "a"
    assert nothing_is_left_of_groups(redis_client)


def test_a_redriven_message_joins_the_tail_of_its_group(admin: FlaskClient, redis_client: Redis) -> None:
    push(admin, "a", 1, 2, 3)
    admin.post("/nack", json={"receipt": lease(admin)[1], "dead": True})
    admin.post("/queues/default/redrive")
    assert drained(admin) == [2, 3, 1]
    assert nothing_is_left_of_groups(redis_client)


@pytest.mark.parametrize("act", ["redrive", "delete"])
def test_a_last_delivery_that_ran_out_frees_its_group_when_it_is_taken_away(
    admin: FlaskClient, end_leases: Callable[[str], None], act: str
) -> None:
    admin.put("/queues/default", json={"max_attempts": 1})
    push(admin, "a", 1, 2)
    lease(admin)
    end_leases("default")
    letter = admin.get("/queues/default/dead").get_json()["messages"][0]
    if act == "redrive":
        admin.post("/queues/default/redrive")
        assert drained(admin) == [2, 1]
    else:
        admin.delete(f"/queues/default/dead/{letter['id']}")
        assert drained(admin) == [2]


@pytest.mark.parametrize("state", ["ready", "delayed", "leased", "all"])
def test_a_group_is_not_stuck_after_a_purge(admin: FlaskClient, redis_client: Redis, state: str) -> None:
    push(admin, "a", 1, 2)
    push(admin, "b", 3, 4)
    push(admin, "c", 5, 6)
    receipts = lease(admin)
    admin.post("/nack", json={"receipt": receipts[1], "delay": 60})
    admin.post("/nack", json={"receipt": receipts[3], "delay": 0})
    purged = admin.post(f"/queues/default/purge?confirm=default&state={state}").get_json()
    assert purged["remaining"] == 0
    expected = {
        "ready": (4, []),
        "delayed": (1, [3, 2, 4]),
        "leased": (1, [3, 6, 4]),
        "all": (6, []),
    }[state]
    assert (purged["purged"], drained(admin)) == expected
    if state == "all":
        assert nothing_is_left_of_groups(redis_client)
    for group in "abc":
        push(admin, group, group)
    assert set(drained(admin)) >= ({"b"} if state in {"ready", "leased"} else {"a", "b"})


def test_a_group_has_its_order_through_pushes_in_one_batch_and_in_several(admin: FlaskClient) -> None:
    push(admin, "a", *range(100))
    for body in range(100, 110):
        push(admin, "a", body)
    assert drained(admin) == list(range(110))


def test_a_long_poll_hears_of_a_message_that_an_ack_lets_come(admin: FlaskClient, redis_client: Redis) -> None:
    push(admin, "a", 1, 2)
    receipt = lease(admin)[1]
    redis_client.hset("pulpo:{default}:waiting", "somebody", "1 1")
    with redis_client.pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe("pulpo:hints")
        listener.get_message(timeout=1)
        admin.post("/ack", json={"receipt": receipt})
        message = listener.get_message(timeout=1)
    assert message is not None
    assert message["data"] == b"default 1"


@pytest.mark.parametrize("how", ["purge", "delete", "pop"])
def test_a_long_poll_hears_of_a_message_that_comes_in_another_way(
    admin: FlaskClient, redis_client: Redis, end_leases: Callable[[str], None], how: str
) -> None:
    admin.put("/queues/default", json={"max_attempts": 1})
    push(admin, "a", 1, 2)
    if how != "pop":
        lease(admin)
    if how == "delete":
        end_leases("default")
    redis_client.hset("pulpo:{default}:waiting", "somebody", "1 1")
    with redis_client.pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe("pulpo:hints")
        listener.get_message(timeout=1)
        if how == "purge":
            admin.post("/queues/default/purge?confirm=default&state=leased")
        elif how == "pop":
            admin.post("/pop")
        else:
            letter = admin.get("/queues/default/dead").get_json()["messages"][0]
            admin.delete(f"/queues/default/dead/{letter['id']}")
        message = listener.get_message(timeout=1)
    assert message is not None
    assert message["data"] == b"default 1"


def test_groups_whose_names_begin_alike_are_apart(admin: FlaskClient) -> None:
    push(admin, "a", 1, 2)
    push(admin, "ab", 3, 4)
    push(admin, "a!", 5, 6)
    assert list(lease(admin)) == [1, 3, 5]
    assert lease(admin) == {}
