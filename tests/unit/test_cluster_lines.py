"""Lines to a Cluster: what becomes of a pipeline when a slot has moved, and of connections when a server has gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError

from app.storage.keys import QueueKeys
from app.storage.redis_client import connect
from app.storage.scripts import Script
from tests.topologies import Cluster, slot_of, until


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as topology:
        yield topology


def test_a_server_that_a_slot_moved_to_gets_the_script_that_it_has_not_seen(cluster: Cluster) -> None:
    servers, script = connect(cluster.url), Script("count")
    keys = [QueueKeys.of("pulpo", queue).counted for queue in ("orders", "bills")]
    before = script.run_for_each(servers, keys, [1000, 0])
    slot = slot_of("orders")
    target = next(node for node in cluster.primaries() if node is not cluster.owner(slot))
    cluster.begin_move(slot, target)
    cluster.end_move(slot, target)
    target.ask("SCRIPT", "FLUSH")
    assert script.run_for_each(servers, keys, [1000, 0]) == before
    servers.close()


def test_a_connection_that_cannot_be_held_makes_the_next_one_look_for_who_took_over(cluster: Cluster) -> None:
    """Durable pushes and acks alone, which hold theirs, must get over a failover."""
    servers, key = connect(cluster.url), QueueKeys.of("pulpo", "orders").queue
    with servers.hold(key) as held:
        held.execute_command("HMGET", key, "bytes")
    cluster.primary_of("orders").kill()

    def can_hold() -> bool:
        try:
            with servers.hold(key) as held:
                return bool(held.execute_command("HMGET", key, "bytes"))
        except RedisError:
            return False

    until(can_hold)
    servers.close()
