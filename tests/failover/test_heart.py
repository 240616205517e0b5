"""What a client may rely on holds on Sentinel and on a Cluster as on one server."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.storage.login_limits import BY_NAME_AND_ADDRESS
from tests.api.answers import problem
from tests.conftest import PASSWORD
from tests.failover.conftest import On
from tests.topologies import Cluster, SentinelSet, Topology, slot_of

DURABLE = {"Prefer": "durable"}
FIFTY = [f"queue-{number}" for number in range(50)]


@pytest.fixture
def admin(topology: Topology, on: On) -> FlaskClient:
    return on(topology)


def pushed(client: FlaskClient, queue: str, *messages: object) -> Any:
    answer = client.post(f"/queues/{queue}/push", json={"messages": [{"message": message} for message in messages]})
    assert answer.status_code == 201, answer.text
    return answer.get_json()["ids"]


def test_a_batch_of_a_thousand_is_leased_in_its_order_and_acked(admin: FlaskClient) -> None:
    ids = pushed(admin, "orders", *range(1000))
    leased = admin.post("/queues/orders/pop", json={"max": 1000, "lease": 30}).get_json()["messages"]
    assert [each["id"] for each in leased] == ids
    results = admin.post("/ack", json={"receipts": [each["receipt"] for each in leased]}).get_json()["results"]
    assert {each["status"] for each in results} == {"acked"}
    counts = admin.get("/queues/orders/count").get_json()
    assert (counts["ready"], counts["leased"]) == (0, 0)


def test_receipts_of_fifty_queues_are_settled_together(admin: FlaskClient) -> None:
    for queue in FIFTY:
        pushed(admin, queue, 1)
    receipts = [admin.post(f"/queues/{queue}/pop", json={"lease": 30}).get_json()["receipt"] for queue in FIFTY]
    results = admin.post("/ack", json={"receipts": receipts}).get_json()["results"]
    assert [each["status"] for each in results] == ["acked"] * 50


def test_the_list_of_fifty_queues_has_the_counts_of_each(topology: Topology, admin: FlaskClient) -> None:
    for number, queue in enumerate(FIFTY):
        pushed(admin, queue, *range(number + 1))
    for _ in range(2):
        listed = admin.get("/queues?limit=100").get_json()["queues"]
        assert {each["queue"]: each["ready"] for each in listed} == {
            queue: number + 1 for number, queue in enumerate(FIFTY)
        }
        for node in topology.nodes:  # as after a failover: no server knows the scripts
            node.ask("SCRIPT", "FLUSH")


def test_fifty_queues_lie_on_all_three_shards(cluster: Cluster) -> None:
    assert len({cluster.owner(slot_of(queue)) for queue in FIFTY}) == 3


def test_dead_letters_are_listed_and_given_back(admin: FlaskClient) -> None:
    pushed(admin, "orders", "bad")
    receipt = admin.post("/queues/orders/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/nack", json={"receipt": receipt, "dead": True, "error": "no such item"})
    letters = admin.get("/queues/orders/dead").get_json()["messages"]
    assert [(letter["message"], letter["error"]) for letter in letters] == [("bad", "no such item")]
    assert admin.post("/queues/orders/redrive", json={}).get_json() == {"moved": 1, "remaining": 0}
    assert admin.post("/queues/orders/pop").get_json()["message"] == "bad"


def test_an_idempotency_key_counts_once(admin: FlaskClient) -> None:
    answers = [admin.post("/push", json={"message": 1}, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].get_json()["id"] == answers[1].get_json()["id"]


def test_a_durable_push_is_proven_on_disk_and_on_a_replica(admin: FlaskClient) -> None:
    """All servers write before they answer; a replica is waited for though nobody has set how many."""
    for queue in FIFTY[:6]:
        answer = admin.post(f"/queues/{queue}/push", json={"message": 1}, headers=DURABLE)
        assert (answer.status_code, answer.headers.get("Preference-Applied")) == (201, "durable"), answer.text


def test_a_waiter_is_woken_by_a_push_of_another_app(topology: Topology, admin: FlaskClient, on: On) -> None:
    """Hints reach every server, so that it matters to nobody where a queue lies."""
    other, queues = on(topology), FIFTY[:4]
    heard_at: dict[Any, float] = {}

    def wait(queue: str) -> None:
        caller = admin.application.test_client()
        caller.environ_base = admin.environ_base
        message = caller.post(f"/queues/{queue}/pop", json={"wait": 10, "lease": 30}).get_json()["message"]
        heard_at[message] = time.monotonic()

    waiters = [threading.Thread(target=wait, args=[queue]) for queue in queues]
    for waiter in waiters:
        waiter.start()
    time.sleep(1.3)  # they have asked for hints, and look again each second
    for queue, waiter in zip(queues, waiters, strict=True):
        pushed_at = time.monotonic()
        pushed(other, queue, queue)
        waiter.join(10)
        assert heard_at[queue] - pushed_at < 0.4, "it was not woken, it looked"


def test_wrong_logins_are_counted_for_all_apps(topology: Topology, admin: FlaskClient, on: On) -> None:
    apps = [admin, on(topology)]
    credentials = {"username": "producer", "password": "wrong"}
    limit = BY_NAME_AND_ADDRESS[0].amount
    for number in range(limit):
        problem(apps[number % 2].post("/login", json=credentials), 401, "unauthenticated")
    for app in apps:
        problem(app.post("/login", json=credentials | {"password": PASSWORD}), 429, "rate-limited")


def test_health_passes_or_warns_where_a_replica_may_take_over_that_no_durable_push_waits_for(
    topology: Topology, admin: FlaskClient
) -> None:
    checks = admin.get("/health").get_json()["checks"]
    replicas = checks.pop("replicas")
    assert {check["status"] for check in checks.values()} == {"pass"}
    if isinstance(topology, SentinelSet):  # two replicas, of which a push waits for one
        assert replicas["status"] == "warn"
        assert "More replicas" in replicas["detail"]
    else:
        assert replicas == {"status": "pass"}


def test_info_tells_the_topology_and_what_is_promised(topology: Topology, admin: FlaskClient) -> None:
    redis = admin.get("/info").get_json()["redis"]
    assert redis["status"] == "pass"
    assert redis["durability"] == {
        "push": "Redis has it on disk. A replica that takes over may lack the last moments.",
        "durable_push": "Redis has it on disk and in the memory of 1 replica, or the answer is 503 not-durable.",
    }
    if isinstance(topology, SentinelSet):
        assert (redis["topology"], redis["connected_slaves"]) == ("sentinel", 2)
    else:
        assert redis["topology"] == "cluster"
        slots = ["0-5460", "5461-10921", "10922-16383"]
        assert [(shard["slots"], shard["connected_slaves"]) for shard in redis["shards"]] == [(s, 1) for s in slots]


def test_metrics_have_figures_of_each_primary_and_name_no_host(topology: Topology, admin: FlaskClient) -> None:
    pushed(admin, "orders", 1, 2)
    text = admin.get("/metrics").text
    assert 'pulpo_queue_messages{queue="orders",state="ready"} 2.0' in text
    assert "127.0.0.1" not in text
    if isinstance(topology, Cluster):
        for slots in ("0-5460", "5461-10921", "10922-16383"):
            assert f'pulpo_redis_up{{slots="{slots}"}} 1.0' in text
            assert f'pulpo_redis_replicas{{slots="{slots}"}} 1.0' in text
    else:
        assert "pulpo_redis_up 1.0" in text
        assert "pulpo_redis_replicas 2.0" in text


def test_each_shard_that_may_lose_messages_is_named(cluster: Cluster, on: On) -> None:
    cluster.heal()
    last = cluster.owner(16383)
    last.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        checks = on(cluster).get("/health").get_json()["checks"]
    finally:
        last.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert checks["eviction"]["status"] == "warn"
    assert "the slots 10922-16383" in checks["eviction"]["detail"]
