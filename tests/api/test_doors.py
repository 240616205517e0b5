"""Both doors answer the same, headers included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import Client, TestResponse

from app import create_app
from app.settings import Settings
from tests.conftest import bearer_headers, close

VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}|[A-Za-z0-9_-]{43}(?=\.)|20\d\d-\d\d-[0-9T:.]+Z|(?<=oldest_age\":)[0-9.]+"
)
JSON = "application/json"
RAW = {"Accept": "application/octet-stream"}
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

# What is sent, one after the other: method, path, caller, body, headers.
Sent = tuple[str, str, str | None, str | bytes, dict[str, str]]
SENT: list[Sent] = [
    ("GET", "/count", "admin", "", {}),
    ("HEAD", "/count", "admin", "", {}),
    ("POST", "/push", "admin", '{"message": {"order": 42}}', {}),
    ("POST", "/push", "admin", '{"messages": [{"message": 1}, {"message": 2, "delay": 9}]}', {}),
    ("POST", "/push?delay=60", "admin", '{"message": 1}', {}),
    ("POST", "/push", "admin", '{"message": 1, "key": "k"}', {}),
    ("POST", "/push", "admin", '{"message": 1, "key": "k"}', {}),
    ("POST", "/push", "admin", '{"message": 3}', {"Idempotency-Key": "k"}),
    ("POST", "/push", "admin", '{"message": 3}', {"Idempotency-Key": "k"}),
    ("POST", "/push", "admin", '{"message": 4}', {"Idempotency-Key": "k"}),
    ("POST", "/push", "admin", '{"message": 4}', {"Idempotency-Key": "k\x80"}),
    ("POST", "/push", "admin", '{"message": 4}', {"Prefer": "durable"}),
    ("POST", "/push", "admin", '{"message": 4}', TRACE),
    ("POST", "/push", "admin", "bytes", {"Content-Type": "text/plain"}),
    ("POST", "/push", "admin", '{"message": 1}', {"Content-Type": "application/x-www-form-urlencoded"}),
    ("POST", "/push", "admin", '{"message": ', {}),
    ("POST", "/push", "admin", b'{"message": "\xff"}', {}),
    ("POST", "/push", "admin", '{"message": 1, "colour": "red"}', {}),
    ("POST", "/push", "admin", '{"messages": [{"message": 1, "delay": -1}, {}]}', {}),
    ("POST", "/push", "admin", "x" * 300_000, {"Content-Type": "text/plain"}),
    ("POST", "/push", "admin", "", {"Content-Type": "text/plain"}),
    ("POST", "/push", None, '{"message": 1}', {}),
    ("POST", "/push", "consumer", '{"message": 1}', {}),
    ("POST", "/push", "admin", '{"message": 1}', {"Authorization": "Bearer nonsense"}),
    ("POST", "/push", "admin", '{"message": 1}', {"Authorization": "Basic YTpi"}),
    ("GET", "/push", "admin", "", {}),
    ("PUT", "/push", "admin", "", {}),
    ("OPTIONS", "/push", None, "", {}),
    ("POST", "/push/", "admin", '{"message": 1}', {}),
    ("POST", "/queues//push", "admin", '{"message": 1}', {}),
    ("POST", "/queues/a%2Fb/push", "admin", '{"message": 1}', {}),
    ("POST", "/queues/-a/push", "admin", '{"message": 1}', {}),
    ("POST", "/queues/a%0A/push", "admin", '{"message": 1}', {}),
    ("POST", "/queues/orders.eu/push", "orders-producer", '{"message": 1}', {}),
    ("POST", "/queues/others/push", "orders-producer", '{"message": 1}', {}),
    ("POST", "/queues/orders.eu/nonsense", "admin", "{}", {}),
    ("POST", "/queues/orders.eu/ack", "admin", "{}", {}),
    ("GET", "/queues/orders.eu/count", "admin", "", {}),
    ("GET", "/queues/orders.eu/count?x=1", "admin", "", {}),
    ("POST", "/queues/orders.eu/count", "admin", "", {}),
    ("POST", "/pop", "admin", "", {}),
    ("POST", "/pop", "admin", '{"lease": 30}', {}),
    ("POST", "/pop", "admin", '{"lease": 30, "max": 2}', {"Idempotency-Key": "p"}),
    ("POST", "/pop", "admin", '{"lease": 30, "max": 2}', {"Idempotency-Key": "p"}),
    ("POST", "/pop", "admin", "{}", {"Idempotency-Key": "p"}),
    ("POST", "/pop?lease=30", "admin", "", {}),
    ("POST", "/pop", "admin", '{"max": 2}', RAW),
    ("POST", "/pop", "admin", '{"lease": 30}', RAW),
    ("POST", "/queues/nothing/pop", "admin", "", RAW),
    ("POST", "/queues/nothing/pop", "admin", "", {}),
    ("POST", "/queues/nothing/pop", "admin", '{"wait": 1}', {}),
    ("POST", "/queues/nothing/pop", "producer", "", {}),
    ("POST", "/ack", "admin", '{"receipt": "RECEIPT"}', {}),
    ("POST", "/ack", "admin", '{"receipt": "RECEIPT"}', {}),
    ("POST", "/ack", "admin", '{"receipt": "nonsense"}', {}),
    ("POST", "/ack", "admin", '{"receipts": ["RECEIPT", "nonsense"]}', {}),
    ("POST", "/ack", "producer", '{"receipt": "RECEIPT"}', {}),
    ("POST", "/ack", "admin", "{}", {}),
    ("POST", "/ack?x=1", "admin", '{"receipt": "RECEIPT"}', {}),
    ("POST", "/nack", "admin", '{"receipt": "RECEIPT", "delay": 0}', {}),
    ("POST", "/extend", "admin", '{"receipt": "RECEIPT", "lease": 30}', {}),
    ("POST", "/extend", None, "", {}),
    ("GET", "/queues/default/messages", "admin", "", {}),
    ("GET", "/count", "admin", "", {"Connection": "Upgrade", "Upgrade": "websocket"}),
    ("POST", "/push", "admin", '{"message": 1}', {"Content-Length": "0" * 5000 + "14"}),
]


@pytest.fixture
def has_fast_door() -> bool:
    return True  # this file compares the two itself


class Caller:
    """Sends to one app, and knows the receipt of the last pop that gave one."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._client = Client(app)
        self._receipt = ""

    def send(self, sent: Sent) -> TestResponse:
        method, path, who, body, headers = sent
        given = {"Content-Type": JSON, "X-Request-Id": "one"} | (bearer_headers(self._app, who) if who else {})
        if isinstance(body, str):
            body = body.replace("RECEIPT", self._receipt).encode()
        answer = self._client.open(path, method=method, data=body, headers=given | headers)
        if found := re.search(r'"receipt":"([^"]+)', answer.get_data(as_text=True)):
            self._receipt = found[1]
        return answer


@pytest.fixture
def callers(settings: Settings, redis_client: Redis) -> Iterator[Callable[[bool], Caller]]:
    """Makes a caller of an app with, or without, the fast door, on an empty Redis."""
    apps: list[Flask] = []

    def make(fast: bool) -> Caller:
        redis_client.flushall()
        apps.append(create_app(settings, fast_door=fast))
        return Caller(apps[-1])

    yield make
    for app in apps:
        close(app)


def told(answer: TestResponse) -> dict[str, Any]:
    """An answer without what differs from run to run; an age may have another number of digits."""
    lengths = {} if VARYING.search(answer.get_data(as_text=True)) is None else {"Content-Length"}
    return {
        "status": answer.status,
        "headers": sorted((name, VARYING.sub("…", value)) for name, value in answer.headers if name not in lengths),
        "body": VARYING.sub("…", answer.get_data(as_text=True)),
    }


def test_both_doors_answer_the_same(callers: Callable[[bool], Caller]) -> None:
    fast, flask = ([told(caller.send(sent)) for sent in SENT] for caller in map(callers, (True, False)))
    for sent, by_fast, by_flask in zip(SENT, fast, flask, strict=True):
        assert by_fast == by_flask, sent


def test_most_of_it_does_not_reach_flask(callers: Callable[[bool], Caller], monkeypatch: pytest.MonkeyPatch) -> None:
    fast = callers(True)
    monkeypatch.setattr(fast._app.wsgi_app, "_flask", None)
    bodies = {"/push": '{"message": 1}', "/pop": '{"lease": 30}', "/ack": "{}", "/nack": "{}", "/extend": "{}"}
    for path, body in bodies.items():
        assert fast.send(("POST", path, "admin", body, {})).status_code in {200, 201, 422}
    assert fast.send(("GET", "/queues/orders.eu/count", "admin", "", {})).status_code == 200
