"""Lines to a Cluster: what becomes of a pipeline when a slot has moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.storage.keys import QueueKeys
from app.storage.redis_client import connect
from app.storage.scripts import Script
from tests.topologies import Cluster, slot_of


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
