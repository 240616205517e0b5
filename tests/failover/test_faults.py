"""What clients see while servers end, change places and hand over slots; what takes longer is in `long`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from tests.failover.calls import BOUND_SECONDS, all_messages, check_that_a_primary_may_end, push
from tests.failover.conftest import On
from tests.topologies import Cluster, Node, Topology, slot_of


@pytest.fixture
def admin(topology: Topology, on: On) -> FlaskClient:
    return on(topology)


def test_a_primary_that_is_killed_is_a_while_of_503_and_no_durable_push_is_lost(
    topology: Topology, admin: FlaskClient
) -> None:
    check_that_a_primary_may_end(topology, admin, "kill")


@pytest.mark.parametrize("headers", [{}, {"Prefer": "durable"}], ids=["plain", "durable"])
def test_each_redirection_of_a_moving_slot_is_followed(cluster: Cluster, on: On, headers: dict[str, str]) -> None:
    """Some of its keys have moved (TRYAGAIN), all have (ASK), the slot has (MOVED)."""
    admin = with_one_message(cluster, on)
    slot = slot_of("default")
    with moving(cluster, slot) as target:
        cluster.move_keys(slot, target, limit=1)

        def finish() -> None:
            time.sleep(0.2)
            cluster.move_keys(slot, target)
            time.sleep(0.2)
            cluster.end_move(slot, target)

        mover = threading.Thread(target=finish)
        mover.start()
        answers = [push(admin, 2, **headers)]
        mover.join(10)
        answers += [push(admin, 3, **headers)]
        met = redirections(cluster)
    assert [(status, seconds < BOUND_SECONDS) for status, seconds in answers] == [(201, True)] * 2
    assert min(met["TRYAGAIN"], met["ASK"], met["MOVED"]) > 0
    assert met["MOVED"] <= 2, "who follows ASK without ASKING is sent back"
    assert all_messages(admin) == [1, 2, 3]


def test_the_list_of_queues_is_written_and_read_while_its_slot_moves(cluster: Cluster, on: On) -> None:
    """Its key has gone and its slot not yet: who asks there without ASKING is sent back."""
    admin = with_one_message(cluster, on)
    slot = slot_of("pulpo:queues")
    with moving(cluster, slot) as target:
        cluster.move_keys(slot, target)
        answer = admin.post("/queues/orders/push", json={"message": 1})
        listed = admin.get("/queues").get_json()["queues"]
    assert answer.status_code == 201
    assert [each["queue"] for each in listed] == ["default", "orders"]


def with_one_message(cluster: Cluster, on: On) -> FlaskClient:
    """An app that knows the Cluster, where the queue default has the message 1 and nothing else is."""
    cluster.heal()
    cluster.empty()
    admin = on(cluster)
    assert push(admin, 1)[0] == 201
    return admin


@contextmanager
def moving(cluster: Cluster, slot: int) -> Iterator[Node]:
    """Begins to move `slot` to the primary that it gives; at the end the slot is where it was."""
    source = cluster.owner(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    for node in cluster.nodes:
        node.ask("CONFIG", "RESETSTAT")
    cluster.begin_move(slot, target)
    try:
        yield target
    finally:
        if cluster.owner(slot) is source:
            cluster.move_keys(slot, target)
            cluster.end_move(slot, target)
        cluster.begin_move(slot, source)
        cluster.move_keys(slot, source)
        cluster.end_move(slot, source)


def redirections(cluster: Cluster) -> Counter[str]:
    """How often the servers answered which error since a slot began to move."""
    found: Counter[str] = Counter()
    for node in cluster.nodes:
        for name, told in node.info("errorstats").items():
            found[name.removeprefix("errorstat_")] += told["count"]
    return found
