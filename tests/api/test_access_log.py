"""The line that each request leaves on standard output."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from app.web.access_log import Line


def test_a_line_tells_who_asked_for_what_and_what_came_of_it(
    admin: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    admin.post("/queues/orders/push", json={"message": "a secret"}, headers={"X-Request-Id": "one"})
    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert line.pop("time")
    assert line.pop("ms")
    assert line == {
        "request_id": "one",
        "method": "POST",
        "path": "/queues/orders/push",
        "status": 201,
        "caller": "admin",
        "route": "/queues/<queue>/push",
        "queue": "orders",
    }


def test_a_line_tells_who_was_refused(producer: FlaskClient, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/pop", "/queues/orders/purge"):
        assert producer.post(path).status_code == 403
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["caller"] for line in lines] == ["producer", "producer"]


def test_on_a_terminal_it_is_a_line_of_words() -> None:
    line = Line("2026-11-24T06:57:41.975+00:00", "one", "POST", "/push", 201, 1.26, "ada")
    assert str(line) == "06:57:41 201 POST /push 1.3 ms ada"
