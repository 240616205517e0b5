"""What clients see while servers freeze and slots move under load."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.conftest import MakeApp, client_of
from tests.failover.calls import (
    BOUND_SECONDS,
    all_messages,
    check_that_a_primary_may_end,
    primary_of_default,
    push,
    until_pushed_again,
)
from tests.failover.conftest import On
from tests.failover.long.conftest import Say
from tests.failover.test_faults import moving, redirections, with_one_message
from tests.topologies import SERVICE, Cluster, Node, SentinelSet, Topology, slot_of, until

DURABLE = {"Prefer": "durable"}
THREADS = 24


@pytest.fixture
def admin(topology: Topology, on: On) -> FlaskClient:
    return on(topology)


def test_a_primary_that_freezes_is_a_while_of_503_and_no_durable_push_is_lost(
    topology: Topology, admin: FlaskClient
) -> None:
    check_that_a_primary_may_end(topology, admin, "freeze")


def test_a_push_whose_answer_is_late_is_503_and_is_not_sent_again(topology: Topology, admin: FlaskClient) -> None:
    primary_of_default(topology).ask("CLIENT", "PAUSE", 2500)
    status, seconds = push(admin, 1)
    assert (status, seconds < BOUND_SECONDS) == (503, True)
    time.sleep(1)
    assert len(all_messages(admin)) <= 1


def test_after_a_failover_a_durable_push_waits_for_a_replica(topology: Topology, admin: FlaskClient, say: Say) -> None:
    """The other replica of a Sentinel set follows the new primary; in this Cluster there is no other."""
    ended = primary_of_default(topology)
    ended.kill()
    until_pushed_again(admin)
    if isinstance(topology, Cluster):
        assert push(admin, 1, **DURABLE)[0] == 503
        ended.restart()
    went_on_at = time.monotonic()
    until(lambda: push(admin, 1, **DURABLE)[0] == 201)
    say(f"{type(topology).__name__}: durable pushes went on after {time.monotonic() - went_on_at:.1f} s more")


def test_without_any_sentinel_a_new_connection_is_refused_in_time(sentinel_set: SentinelSet, on: On) -> None:
    assert_refused_in_time(sentinel_set, sentinel_set.sentinels, on)


def test_without_any_server_a_cluster_is_refused_in_time(cluster: Cluster, on: On) -> None:
    assert_refused_in_time(cluster, cluster.nodes, on)


def assert_refused_in_time(topology: Topology, frozen: Sequence[Node], on: On) -> None:
    topology.heal()
    for node in frozen:
        node.freeze()
    try:
        status, seconds = push(on(topology), 1)
    finally:
        topology.heal()
    assert status == 503
    assert seconds < BOUND_SECONDS


def test_a_durable_push_without_a_replica_is_refused_before_it_is_written(
    topology: Topology, admin: FlaskClient
) -> None:
    assert push(admin, 1)[0] == 201  # the hosts of the URL may be among those that end
    for node in topology.nodes:
        if node not in topology.primaries():
            node.kill()
    until(lambda: not any(node.info("replication")["connected_slaves"] for node in topology.primaries()))
    answer = admin.post("/push", json={"message": 2}, headers=DURABLE)
    assert "PULPO_DURABLE_REPLICAS is 1" in problem(answer, 503, "not-durable")["detail"]
    assert admin.get("/count").get_json()["count"] == 1
    checks = admin.get("/health").get_json()["checks"]
    assert checks["replicas"]["status"] == "warn"


def test_a_replica_that_does_not_answer_is_no_proof(topology: Topology, admin: FlaskClient) -> None:
    assert admin.post("/push", json={"message": 1}, headers=DURABLE).status_code == 201
    for node in topology.nodes:
        if node not in topology.primaries():
            node.freeze()
    answer = admin.post("/push", json={"message": 2}, headers=DURABLE)
    told = answer.get_json()
    assert (answer.status_code, told["code"], len(told["ids"])) == (503, "not-durable", 1)


@pytest.mark.parametrize("headers", [{}, {"Prefer": "durable"}], ids=["plain", "durable"])
def test_a_slot_whose_move_takes_too_long_is_503_and_nothing_is_written(
    cluster: Cluster, on: On, headers: dict[str, str]
) -> None:
    admin = with_one_message(cluster, on)
    with moving(cluster, slot_of("default")) as target:
        cluster.move_keys(slot_of("default"), target, limit=1)
        status, seconds = push(admin, 2, **headers)
    assert (status, seconds < BOUND_SECONDS) == (503, True)
    assert all_messages(admin) == [1]


def test_a_slot_that_moves_under_load_loses_nothing(cluster: Cluster, on: On, say: Say) -> None:
    """While some keys of a queue have moved, nothing of it can run: what waits too long is told 503."""
    slot = slot_of("default")
    apps = [with_one_message(cluster, on), on(cluster)]
    answers: list[tuple[int, int, float]] = []
    is_over = threading.Event()

    def load(client: FlaskClient, first: int) -> None:
        number = first
        while not is_over.is_set():
            headers = {"Prefer": "durable"} if number % 4 < 2 else {}
            answers.append((number, *push(client, number, **headers)))
            number += 2

    threads = [threading.Thread(target=load, args=[app, number]) for number, app in enumerate(apps, 2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    with moving(cluster, slot) as target:
        cluster.move_keys(slot, target, limit=1)
        time.sleep(0.3)
        cluster.move_keys(slot, target)
        time.sleep(0.3)
        cluster.end_move(slot, target)
        time.sleep(0.3)
        met = redirections(cluster)
        is_over.set()
        for thread in threads:
            thread.join(10)
    pushed = sorted(number for number, status, _ in answers if status == 201)
    say(f"{len(pushed)} pushes around a move of their slot; the servers answered {dict(met)}")
    assert [status for _, status, _ in answers if status != 201] == []
    assert min(met["TRYAGAIN"], met["ASK"], met["MOVED"]) > 0
    assert max(seconds for *_, seconds in answers) < BOUND_SECONDS
    assert sorted(all_messages(apps[0])) == [1, *pushed]
    assert apps[1].get("/count").get_json()["leased"] == len(pushed) + 1


def test_while_an_owner_is_frozen_no_request_of_many_threads_takes_longer_than_promised(
    cluster: Cluster, on: On, say: Say
) -> None:
    """Plain and durable, to queues that are known and to new ones, on every shard."""
    cluster.heal()
    cluster.empty()
    app = on(cluster)
    assert push(app, 1)[0] == 201
    answers: list[tuple[int, float]] = []
    is_over = threading.Event()

    def load(place: int) -> None:
        client, number = app.application.test_client(), 0
        client.environ_base = app.environ_base
        while not is_over.is_set():
            number += 1
            queue = "default" if number % 2 else f"queue-{place}-{number}"
            headers = {"Prefer": "durable"} if number % 4 < 2 else {}
            began_at = time.monotonic()
            answer = client.post(f"/queues/{queue}/push", json={"message": number}, headers=headers)
            answers.append((answer.status_code, time.monotonic() - began_at))

    threads = [threading.Thread(target=load, args=[place]) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    primary_of_default(cluster).freeze()
    time.sleep(8)
    is_over.set()
    for thread in threads:
        thread.join(20)
    cluster.heal()
    slowest = max(seconds for _, seconds in answers)
    refused = sum(status == 503 for status, _ in answers)
    say(f"{len(answers)} answers of {THREADS} threads, {refused} of them 503, the slowest after {slowest:.2f} s")
    assert {status for status, _ in answers} == {201, 503}
    assert slowest < BOUND_SECONDS


def test_a_primary_that_is_replaced_while_it_lives_proves_no_push_that_is_lost(
    sentinel_set: SentinelSet, settings: Settings, make_app: MakeApp, say: Say
) -> None:
    """Both replicas have to prove a push, and who was promoted has left."""
    sentinel_set.heal()
    sentinel_set.empty()
    url = Secret(sentinel_set.url)
    admin = client_of(make_app(replace(settings, redis_url=url, durable_replicas=2)), "admin")
    assert push(admin, 0, **DURABLE)[0] == 201
    before, answers = sentinel_set.primary(), Counter[int]()
    sentinel_set.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
    safe, number, until_at = [0], 0, time.monotonic() + 12
    while time.monotonic() < until_at:
        number += 1
        status, _ = push(admin, number, **DURABLE)
        answers[status] += 1
        if status == 201:
            safe.append(number)
    sentinel_set.heal()
    assert sentinel_set.primary() is not before
    found = set(all_messages(admin))
    say(f"answers to durable pushes around a failover: {dict(answers)}; {len(set(safe) - found)} lost")
    assert set(safe) <= found
