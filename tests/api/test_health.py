"""GET /health and GET /health/live, with Redis well, absent, frozen and full."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace
from redis import Redis

from app.settings import Secret, Settings
from app.version import VERSION
from tests.api.answers import problem
from tests.conftest import MakeApp, client_of
from tests.redis_server import PrivateRedis


@pytest.fixture
def app_without_redis(settings: Settings, make_app: MakeApp, tmp_path: Path) -> Flask:
    """Its Redis is a socket at which nobody listens."""
    return make_app(replace(settings, redis_url=Secret(f"unix://{tmp_path / 'nobody.sock'}")))


@pytest.fixture
def app_without_users(settings: Settings, make_app: MakeApp, tmp_path: Path) -> Flask:
    """Its user table lies in a directory that is not there."""
    return make_app(replace(settings, database_url=Secret(f"sqlite:///{tmp_path / 'absent' / 'pulpo.db'}")))


@pytest.fixture
def second_redis() -> Iterator[PrivateRedis]:
    """A server of this test alone, which it may freeze."""
    with PrivateRedis() as server:
        yield server


@pytest.fixture
def app_on_second_redis(settings: Settings, make_app: MakeApp, second_redis: PrivateRedis) -> Flask:
    return make_app(replace(settings, redis_url=Secret(second_redis.url)))


@pytest.fixture
def full_redis(admin: FlaskClient, redis_client: Redis) -> Iterator[Redis]:
    """Redis at its memory limit, with one message in the queue default."""
    admin.post("/push", json={"message": "from before"})
    redis_client.config_set("maxmemory", "1")
    yield redis_client
    redis_client.config_set("maxmemory", "0")


def test_health_passes_while_redis_and_user_table_answer(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "pass",
        "checks": {name: {"status": "pass"} for name in ("redis", "user_table", "eviction", "persistence", "replicas")},
    }


@pytest.mark.parametrize(
    ("option", "value", "check"), [("maxmemory-policy", "allkeys-lru", "eviction"), ("appendonly", "no", "persistence")]
)
def test_health_warns_of_what_may_lose_messages(
    app_on_second_redis: Flask, second_redis: PrivateRedis, option: str, value: str, check: str
) -> None:
    with Redis.from_url(second_redis.url) as client:
        client.config_set(option, value)
    answer = app_on_second_redis.test_client().get("/health")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "warn")
    found = answer.get_json()["checks"].pop(check)
    assert (found["status"], option in found["detail"]) == ("warn", True)


def test_health_warns_of_replicas_that_durable_pushes_miss(settings: Settings, make_app: MakeApp) -> None:
    report = make_app(replace(settings, durable_replicas=1)).test_client().get("/health").get_json()
    assert (report["status"], report["checks"]["replicas"]["status"]) == ("warn", "warn")


def test_health_says_when_it_may_not_ask(settings: Settings, make_app: MakeApp, second_redis: PrivateRedis) -> None:
    with Redis.from_url(second_redis.url) as client:
        client.execute_command("ACL", "SETUSER", "pulpo", "-info")
    report = (
        make_app(replace(settings, redis_url=Secret(second_redis.user_url))).test_client().get("/health").get_json()
    )
    assert report["checks"]["persistence"]["status"] == "warn"


def test_health_shows_strangers_no_host_address_or_version(
    client: FlaskClient, app_without_redis: Flask, settings: Settings
) -> None:
    for answer in (client.get("/health"), app_without_redis.test_client().get("/health")):
        assert VERSION not in answer.text
        assert platform.node() not in answer.text
        assert ".sock" not in answer.text


def test_head_of_health_tells_the_status_alone(app_without_redis: Flask) -> None:
    answer = app_without_redis.test_client().head("/health")
    assert (answer.status_code, answer.data) == (503, b"")


def test_without_redis_health_fails_and_says_that_it_is_redis(app_without_redis: Flask) -> None:
    answer = app_without_redis.test_client().get("/health")
    report = answer.get_json()
    assert (answer.status_code, report["status"]) == (503, "fail")
    assert report["checks"]["redis"]["status"] == "fail"
    assert report["checks"]["redis"]["detail"]
    assert report["checks"]["user_table"] == {"status": "pass"}


def test_without_redis_the_process_is_still_alive(app_without_redis: Flask) -> None:
    answer = app_without_redis.test_client().get("/health/live")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "pass"})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/push", {"message": 1}),
        ("POST", "/pop", {}),
        ("GET", "/count", None),
        ("POST", "/ack", {"receipt": "A" * 43 + ".default"}),
    ],
)
def test_without_redis_every_queue_route_says_so_at_once(
    app_without_redis: Flask, method: str, path: str, body: dict[str, object] | None
) -> None:
    started = time.monotonic()
    answer = client_of(app_without_redis, "admin").open(path, method=method, json=body)
    assert time.monotonic() - started < 1
    problem(answer, 503, "store-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def test_without_redis_info_still_tells_of_the_host(app_without_redis: Flask) -> None:
    answer = client_of(app_without_redis, "viewer").get("/info")
    assert answer.status_code == 200
    assert answer.get_json()["redis"]["status"] == "fail"


def test_without_redis_one_can_still_log_out(app_without_redis: Flask) -> None:
    assert client_of(app_without_redis, "producer").post("/logout").status_code == 200


def test_without_the_user_table_health_fails_and_says_that_it_is_the_table(app_without_users: Flask) -> None:
    answer = app_without_users.test_client().get("/health")
    report = answer.get_json()
    assert (answer.status_code, report["status"]) == (503, "fail")
    assert report["checks"]["user_table"]["status"] == "fail"
    assert report["checks"]["redis"] == {"status": "pass"}


def test_without_the_user_table_nobody_is_let_in(app_without_users: Flask) -> None:
    answer = client_of(app_without_users, "admin").post("/push", json={"message": 1})
    problem(answer, 503, "store-unavailable")
    assert "Retry-After" in answer.headers


def test_a_push_to_a_redis_that_froze_is_answered_within_5_s(
    app_on_second_redis: Flask, second_redis: PrivateRedis
) -> None:
    """The connection is warm and the queue known: what runs into the time limit is the script itself."""
    producer = client_of(app_on_second_redis, "producer")
    assert producer.post("/push", json={"message": 1}).status_code == 201
    second_redis.freeze()
    started = time.monotonic()
    problem(producer.post("/push", json={"message": 2}), 503, "store-unavailable")
    assert time.monotonic() - started < 5


def test_a_push_over_a_new_connection_to_a_frozen_redis_is_answered_within_5_s(
    app_on_second_redis: Flask, second_redis: PrivateRedis
) -> None:
    second_redis.freeze()
    started = time.monotonic()
    answer = client_of(app_on_second_redis, "producer").post("/push", json={"message": 1})
    problem(answer, 503, "store-unavailable")
    assert time.monotonic() - started < 5


def test_health_of_a_frozen_redis_fails_within_5_s(app_on_second_redis: Flask, second_redis: PrivateRedis) -> None:
    second_redis.freeze()
    started = time.monotonic()
    answer = app_on_second_redis.test_client().get("/health")
    assert (answer.status_code, answer.get_json()["checks"]["redis"]["status"]) == (503, "fail")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("queue", ["default", "a-new-one"])
def test_a_full_redis_refuses_a_push_and_keeps_nothing_of_it(admin: FlaskClient, full_redis: Redis, queue: str) -> None:
    before = {key: full_redis.dump(key) for key in full_redis.scan_iter()}
    answer = admin.post(f"/queues/{queue}/push", json={"messages": [{"message": 1}, {"message": 2, "delay": 60}]})
    problem(answer, 503, "store-full")
    assert int(answer.headers["Retry-After"]) >= 1
    assert {key: full_redis.dump(key) for key in full_redis.scan_iter()} == before


def test_a_full_redis_still_gives_its_messages(admin: FlaskClient, full_redis: Redis) -> None:
    assert admin.post("/pop").get_json()["message"] == "from before"


def test_a_full_redis_still_leases_and_settles(admin: FlaskClient, full_redis: Redis) -> None:
    leased = admin.post("/pop", json={"lease": 60}).get_json()
    assert leased["message"] == "from before"
    assert admin.post("/ack", json={"receipt": leased["receipt"]}).status_code == 200


def test_a_full_redis_is_a_warning_that_keeps_the_traffic(client: FlaskClient, full_redis: Redis) -> None:
    answer = client.get("/health")
    report = answer.get_json()
    assert (answer.status_code, report["status"], report["checks"]["redis"]["status"]) == (200, "warn", "warn")
    assert "memory" in report["checks"]["redis"]["detail"]


def test_push_works_again_once_redis_has_room(admin: FlaskClient, full_redis: Redis) -> None:
    admin.post("/push", json={"message": 1})
    full_redis.config_set("maxmemory", "0")
    assert admin.post("/push", json={"message": 1}).status_code == 201
