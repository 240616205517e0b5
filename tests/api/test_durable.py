"""`Prefer: durable`: proven or refused, never claimed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from flask.testing import FlaskClient
from redis import Redis

from app.models import Receipt, format_id
from app.settings import Secret, Settings
from app.storage.redis_proof import DurabilityProof
from tests.api.answers import problem
from tests.conftest import MakeApp, client_of
from tests.redis_server import PrivateRedis
from tests.service import free_port, wait_until

DURABLE = {"Prefer": "durable"}


def client_to(redis: PrivateRedis, settings: Settings, make_app: MakeApp, **changes: object) -> FlaskClient:
    there = {"redis_url": Secret(redis.user_url)} | changes
    return client_of(make_app(msgspec.structs.replace(settings, **there)), "admin")


def is_empty(redis: PrivateRedis) -> bool:
    with Redis.from_url(redis.url) as client:
        return not client.keys()


def leased(admin: FlaskClient, count: int, queue: str = "") -> list[str]:
    """Receipts of as many messages."""
    admin.post(f"{queue}/push", json={"messages": [{"message": number} for number in range(count)]})
    popped = admin.post(f"{queue}/pop", json={"max": count, "lease": 30}).get_json()
    return [each["receipt"] for each in popped["messages"]]


def id_of(text: str) -> str:
    receipt = Receipt.parse(text)
    assert receipt is not None
    return format_id(receipt.message_id)


@contextmanager
def a_replica_of(port: int) -> Iterator[PrivateRedis]:
    with PrivateRedis("--replicaof", f"127.0.0.1 {port}") as replica, Redis.from_url(replica.url) as client:
        wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        yield replica


def test_a_server_that_may_say_so_too_early_is_refused(redis_server: PrivateRedis, admin: FlaskClient) -> None:
    """Its append-only file is written each second; only Redis 8 and newer say truly when that was."""
    started = time.monotonic()
    answers = [admin.post("/push", json={"message": 1}, headers=DURABLE) for _ in range(3)]
    if redis_server.proves_by_waiting:
        assert [answer.status_code for answer in answers] == [201] * 3
        assert all(answer.headers["Preference-Applied"] == "durable" for answer in answers)
        assert time.monotonic() - started > 1, "three writes in a row cannot be on disk before the next second"
    else:
        for answer in answers:
            assert "appendfsync always" in problem(answer, 503, "not-durable")["detail"]
        assert admin.get("/count").get_json()["count"] == 0


def test_without_the_preference_nothing_is_said(admin: FlaskClient) -> None:
    answer = admin.post("/push", json={"message": 1}, headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (201, False)


def test_a_server_that_writes_before_it_answers_proves_it_whatever_its_age(
    settings: Settings, make_app: MakeApp
) -> None:
    with PrivateRedis("--appendfsync", "always") as redis:
        admin = client_to(redis, settings, make_app)
        for preference in ("respond-async, DURABLE", "durable;a=b", "durable=yes"):
            answer = admin.post("/push", json={"messages": [{"message": 1}]}, headers={"Prefer": preference})
            assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "durable")


def test_a_server_that_keeps_no_file_is_refused_before_anything_is_written(
    settings: Settings, make_app: MakeApp
) -> None:
    with PrivateRedis("--appendonly", "no") as redis:
        admin = client_to(redis, settings, make_app)
        answer = admin.post("/push", json={"message": 1}, headers=DURABLE)
        assert answer.headers["Retry-After"] == "1"
        assert "appendonly" in problem(answer, 503, "not-durable")["detail"]
        assert is_empty(redis)


def test_a_server_that_never_says_when_it_writes_is_refused(settings: Settings, make_app: MakeApp) -> None:
    with PrivateRedis("--appendfsync", "no") as redis:
        admin = client_to(redis, settings, make_app)
        problem(admin.post("/push", json={"message": 1}, headers=DURABLE), 503, "not-durable")
        assert is_empty(redis)


@pytest.mark.parametrize("command", ["info", "waitaof", "config|get"])
def test_where_pulpo_may_not_ask_nothing_is_written(settings: Settings, make_app: MakeApp, command: str) -> None:
    with PrivateRedis() as redis, Redis.from_url(redis.url) as client:
        if command != "waitaof" or redis.knows_waitaof:  # what is not there need not be forbidden
            forbid: list[str] = ["ACL", "SETUSER", "pulpo", f"-{command}"]
            client.execute_command(*forbid)
        admin = client_to(redis, settings, make_app)
        answer = admin.post("/push", json={"message": 1}, headers=DURABLE)
        if command == "config|get" and redis.proves_by_waiting:
            assert answer.status_code == 201
        else:
            problem(answer, 503, "not-durable")
            assert is_empty(redis)


def test_a_policy_that_changes_meanwhile_is_no_proof(settings: Settings, make_app: MakeApp) -> None:
    with PrivateRedis("--appendfsync", "always") as redis, Redis.from_url(redis.url) as client:
        proof = DurabilityProof(replicas=0)
        by_waiting = proof.check(client)
        client.config_set("appendfsync", "no")
        client.config_set("appendonly", "no")
        assert proof.prove(client, by_waiting=by_waiting) is False


def test_a_redis_that_is_gone_is_told_as_for_any_push(settings: Settings, make_app: MakeApp) -> None:
    with PrivateRedis() as redis:
        admin = client_to(redis, settings, make_app)
    problem(admin.post("/push", json={"message": 1}, headers=DURABLE), 503, "store-unavailable")


class TestReplicas:
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def primary(self, port: int) -> Iterator[PrivateRedis]:
        options = ("--port", str(port), "--appendfsync", "always", "--repl-diskless-sync-delay", "0")
        with PrivateRedis(*options) as redis:
            yield redis

    def test_a_push_waits_for_as_many_as_are_asked_for(
        self, settings: Settings, make_app: MakeApp, primary: PrivateRedis, port: int
    ) -> None:
        admin = client_to(primary, settings, make_app, durable_replicas=1)
        with a_replica_of(port) as replica:
            answer = admin.post("/push", json={"message": 1}, headers=DURABLE)
            assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "durable")
            with Redis.from_url(replica.url) as client:
                assert client.llen("pulpo:{default}:ready:normal") == 1

    def test_an_ack_waits_for_them_too(
        self, settings: Settings, make_app: MakeApp, primary: PrivateRedis, port: int
    ) -> None:
        admin = client_to(primary, settings, make_app, durable_replicas=1)
        with a_replica_of(port) as replica, Redis.from_url(replica.url) as client:
            first, second, third = leased(admin, 3)
            [other] = leased(admin, 1, "/queues/other")
            answer = admin.post("/ack", json={"receipt": first}, headers=DURABLE)
            assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "durable")
            assert client.hlen("pulpo:{default}:inflight") == 2
            answer = admin.post("/ack", json={"receipts": [first, second]}, headers=DURABLE)
            assert [each["status"] for each in answer.get_json()["results"]] == ["message-not-found", "acked"]
            assert (answer.headers["Preference-Applied"], client.hlen("pulpo:{default}:inflight")) == ("durable", 1)
            problem(admin.post("/ack", json={"receipt": first}, headers=DURABLE), 404, "message-not-found")
            replica.freeze()
            receipts = {"receipts": [first, third, other]}
            answer = admin.post("/ack", json=receipts, headers=DURABLE)
            told = answer.get_json()
            assert (answer.status_code, told["code"], told["ids"]) == (503, "not-durable", [id_of(third), id_of(other)])
            replica.thaw()
            again = admin.post("/ack", json=receipts, headers=DURABLE)
            assert {each["status"] for each in again.get_json()["results"]} == {"message-not-found"}
            assert "Preference-Applied" not in again.headers, "nothing was proven"
        assert admin.get("/count").get_json()["leased"] == 0

    def test_without_a_replica_nothing_is_acked(
        self, settings: Settings, make_app: MakeApp, primary: PrivateRedis
    ) -> None:
        admin = client_to(primary, settings, make_app, durable_replicas=1)
        [receipt] = leased(admin, 1)
        problem(admin.post("/ack", json={"receipt": receipt}, headers=DURABLE), 503, "not-durable")
        assert admin.get("/count").get_json()["leased"] == 1

    def test_without_a_replica_nothing_is_written(
        self, settings: Settings, make_app: MakeApp, primary: PrivateRedis
    ) -> None:
        admin = client_to(primary, settings, make_app, durable_replicas=1)
        answer = admin.post("/push", json={"message": 1}, headers=DURABLE)
        assert "PULPO_DURABLE_REPLICAS" in problem(answer, 503, "not-durable")["detail"]
        assert is_empty(primary)

    def test_a_replica_that_lags_is_told_with_the_ids_after_two_seconds(
        self, settings: Settings, make_app: MakeApp, primary: PrivateRedis, port: int
    ) -> None:
        admin = client_to(primary, settings, make_app, durable_replicas=1)
        headers = DURABLE | {"Idempotency-Key": "k"}
        with a_replica_of(port) as replica:
            replica.freeze()
            started = time.monotonic()
            answer = admin.post("/push", json={"message": 1}, headers=headers)
            assert 1.5 < time.monotonic() - started < 3
            assert (answer.status_code, answer.get_json()["code"]) == (503, "not-durable")
            message_id = answer.get_json()["id"]
            assert answer.get_json()["ids"] == [message_id]
            # The same again, by connections that wrote nothing: it is not pushed twice, and the proof is not there yet.
            other = client_to(primary, settings, make_app, durable_replicas=1)
            again = other.post("/push", json={"message": 1}, headers=headers)
            assert (again.status_code, again.get_json()["id"]) == (503, message_id)
            replica.thaw()
            proven = admin.post("/push", json={"message": 1}, headers=headers)
            assert (proven.status_code, proven.get_json()["id"]) == (200, message_id)
        assert admin.post("/pop").get_json()["id"] == message_id
        assert admin.get("/count").get_json()["count"] == 0
