"""A Redis that is slow, not dead: all that one request asks of it ends within the time that is promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace

from app import patience
from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.chaos.proxy import Proxies
from tests.conftest import MakeApp, client_of
from tests.redis_server import PrivateRedis
from tests.topologies import free_ports

BOUND_SECONDS = 5.0
QUEUES = [f"queue-{number}" for number in range(12)]
DURABLE = {"Prefer": "durable"}
WAY_SECONDS = 0.6  # so that an answer comes after 1.2 s

Slow = Callable[[], None]


@pytest.fixture
def door() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def safe_redis() -> Iterator[PrivateRedis]:
    """It writes before it answers."""
    with PrivateRedis("--appendfsync", "always") as server:
        yield server


@pytest.fixture
def slow(door: int, safe_redis: PrivateRedis) -> Iterator[Slow]:
    """Lets Redis answer late from now on."""
    with Proxies() as proxies:
        proxies.add(door, str(safe_redis.socket))
        yield lambda: proxies.delay(door, WAY_SECONDS)


@pytest.fixture
def admin(slow: Slow, settings: Settings, door: int, make_app: MakeApp) -> FlaskClient:
    return client_of(make_app(replace(settings, redis_url=Secret(f"redis://127.0.0.1:{door}/0"))), "admin")


def test_receipts_of_many_queues_are_settled_in_time_or_the_answer_is_503(admin: FlaskClient, slow: Slow) -> None:
    receipts = []
    for queue in QUEUES:
        admin.post(f"/queues/{queue}/push", json={"message": 1})
        receipts.append(admin.post(f"/queues/{queue}/pop", json={"lease": 600}).get_json()["receipt"])
    slow()
    began = time.monotonic()
    answer = admin.post("/ack", json={"receipts": receipts})
    assert time.monotonic() - began < BOUND_SECONDS
    problem(answer, 503, "store-unavailable")


def test_a_durable_push_is_proven_in_time_or_the_answer_is_503(admin: FlaskClient, slow: Slow) -> None:
    assert admin.post("/push", json={"message": 1}, headers=DURABLE).status_code == 201
    slow()
    began = time.monotonic()
    answer = admin.post("/queues/new/push", json={"message": 1}, headers=DURABLE)
    assert time.monotonic() - began < BOUND_SECONDS
    assert answer.status_code == 503


def test_a_caller_who_waits_may_look_for_longer_than_that(
    admin: FlaskClient, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 3.2)
    admin.post("/push", json={"message": 1, "delay": 4})
    admin.post("/pop", json={"lease": 1})  # so that Redis knows the scripts
    slow()
    assert admin.post("/pop", json={"wait": 8, "lease": 1}).get_json()["message"] == 1
