"""A real service reaches a Sentinel set and a Cluster over TLS, as a user whom ACL rules bind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.servers.programs import SERVERS
from tests.service import running
from tests.topologies import Cluster, SentinelSet, Topology, tls_program, until


@pytest.mark.parametrize("make", [SentinelSet, Cluster])
def test_a_service_works_over_tls_as_a_user_with_few_rights(make: Callable[..., Topology]) -> None:
    program = tls_program() or str(SERVERS[0].directory() / "redis-server")
    with make(tls=True, program=program) as topology, running(PULPO_REDIS_URL=topology.url) as service:
        assert topology.url.startswith("rediss+")
        assert service.call("/push", {"message": "first"})["id"]
        popped = service.call("/pop", {"lease": 30})
        assert popped["message"] == "first"
        service.call("/ack", {"receipt": popped["receipt"]})
        heard: list[object] = []
        waiter = threading.Thread(target=lambda: heard.append(service.call("/pop", {"wait": 10})["message"]))
        waiter.start()
        time.sleep(1.3)
        service.call("/push", {"message": "second"})
        until(lambda: heard == ["second"], 2)
        waiter.join(10)
        assert topology.denied() == []
        topology.primaries()[0].kill()
        until(lambda: pushes_again(service.call), 15)


def pushes_again(call: Callable[..., object]) -> bool:
    try:
        call("/push", {"message": "third"})
    except AssertionError:
        return False
    return True
