"""Real services, two beside each other and one through a failover."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
import pytest

from tests.failover.long.conftest import Say
from tests.service import Service, running
from tests.topologies import Cluster, Node, Topology, slot_of, until

QUEUES = [f"queue-{number}" for number in range(60)]
CLIENTS_EACH = 4
BATCH = 5
WOKEN_SECONDS = 0.4  # who is not woken looks each second
DEAF_SECONDS = 5.0  # a connection is given up when nothing was heard for 3 s, and made anew a second later


class Load:
    """Pushes and consumes; keeps each status, and what was pushed where and acked."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.pushed: dict[int, str] = {}
        self.acked: list[int] = []
        self._numbers = count()

    @contextmanager
    def on(self, client: httpx.Client) -> Iterator[None]:
        """Uses `client` for as long as the block runs."""
        is_over = threading.Event()
        threads = [threading.Thread(target=self._run, args=[client, is_over]) for _ in range(CLIENTS_EACH)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join(30)

    def _run(self, client: httpx.Client, is_over: threading.Event) -> None:
        while not is_over.is_set():
            queue = random.choice(QUEUES)
            numbers = [next(self._numbers) for _ in range(BATCH)]
            told = self._call(client, f"/queues/{queue}/push", {"messages": [{"message": each} for each in numbers]})
            if "ids" in told:
                self.pushed.update(dict.fromkeys(numbers, queue))
            self.consume(client, random.choice(QUEUES))

    def consume(self, client: httpx.Client, queue: str) -> int:
        """Takes some and acks them; how many came."""
        told = self._call(client, f"/queues/{queue}/pop", {"max": 100, "lease": 60})
        found = {each["receipt"]: each["message"] for each in told.get("messages", [])}
        if found:
            results = self._call(client, "/ack", {"receipts": list(found)})["results"]
            settled = zip(found.values(), results, strict=True)
            self.acked += [number for number, result in settled if result["status"] == "acked"]
        return len(found)

    def _call(self, client: httpx.Client, path: str, json: object) -> Any:
        answer = client.post(path, json=json)
        self.statuses.append(answer.status_code)
        return answer.json()


def test_a_second_service_adds_no_error_and_no_loss_on_queues_of_three_shards(cluster: Cluster, say: Say) -> None:
    """Both are of one installation: users and secret are the same."""
    cluster.heal()
    cluster.empty()
    load = Load()
    with running(PULPO_REDIS_URL=cluster.url) as first, client_of(first, first.token()) as one:
        same = {"PULPO_REDIS_URL": cluster.url, "PULPO_DATA_DIR": str(first.data_dir)}
        with load.on(one):
            time.sleep(1)
            alone = len(load.statuses)
            with running(**same) as second, client_of(second, first.token()) as other, load.on(other):
                time.sleep(4)
        for queue in QUEUES:
            while load.consume(one, queue):
                pass
    both = len(load.statuses) - alone
    say(f"{alone} requests to one service, {both} more to two: {dict(Counter(load.statuses))}")
    shard_of = {queue: cluster.owner(slot_of(queue)).port for queue in QUEUES}
    messages = Counter(shard_of[queue] for queue in load.pushed.values())
    for port, queues in sorted(Counter(shard_of.values()).items()):
        say(f"shard {port}: {queues} queues, {messages[port]} messages")
    say(f"{len(load.pushed)} pushed, {len(load.pushed.keys() - set(load.acked))} lost")
    assert set(load.statuses) == {200, 201}
    assert sorted(load.acked) == sorted(load.pushed)
    assert len(messages) == 3


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_waiter_is_woken_again_after_a_failover(topology: Topology, say: Say, fault: str) -> None:
    one_worker = {"PULPO_REDIS_URL": topology.url, "PULPO_WORKERS": "1"}
    with running(**one_worker) as service, client_of(service, service.token()) as client:
        assert client.post("/pop", json={"wait": 1}).json()["message"] is None
        deaf = hears(topology)
        queue = next(queue for queue in QUEUES if primary_of(topology, queue) is deaf)
        getattr(deaf, fault)()
        faulted_at = time.monotonic()
        until(lambda: push(client, queue) == 201)
        took_over_at = time.monotonic()
        delays = [seconds_until_heard(client, queue)]
        while delays[-1] >= WOKEN_SECONDS:
            assert time.monotonic() - took_over_at < DEAF_SECONDS
            delays.append(seconds_until_heard(client, queue))
        woken_at = time.monotonic()
    say(
        f"{type(topology).__name__}, {fault}: pushes went on after {took_over_at - faulted_at:.1f} s, a waiter was"
        f" woken {woken_at - took_over_at:.1f} s later; until then it heard within {max(delays):.1f} s"
    )
    assert max(delays) < 2


def seconds_until_heard(client: httpx.Client, queue: str) -> float:
    """How long a push takes until it reaches who has waited for more than a second."""
    while client.post(f"/queues/{queue}/pop", json={}).json()["message"] is not None:
        pass
    heard_at: list[float] = []

    def wait() -> None:
        answer = client.post(f"/queues/{queue}/pop", json={"wait": 10})
        assert answer.json()["message"] == "beat", answer.text
        heard_at.append(time.monotonic())

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(1.2)
    pushed_at = time.monotonic()
    assert push(client, queue) == 201
    waiter.join(15)
    return heard_at[0] - pushed_at


def push(client: httpx.Client, queue: str) -> int:
    answer = client.post(f"/queues/{queue}/push", json={"message": "beat"})
    assert answer.status_code in {201, 503}, answer.text
    return answer.status_code


def hears(topology: Topology) -> Node:
    """The node where somebody listens to the hints."""
    return next(node for node in topology.nodes if node.ask("PUBSUB", "NUMSUB", "pulpo:hints")[1] == 1)


def primary_of(topology: Topology, queue: str) -> Node:
    return topology.primary_of(queue) if isinstance(topology, Cluster) else topology.primaries()[0]


def client_of(service: Service, token: str) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
