"""The line that each request leaves on standard output."""

from __future__ import annotations

import json
import os
import select
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.web import afterwards
from app.web.access_log import Line, write

NOW = datetime(2026, 11, 24, 6, 57, 41, tzinfo=UTC)


def lines_of(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    afterwards.work_off()
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_line_tells_who_asked_for_what_and_what_came_of_it(
    admin: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    admin.post("/queues/orders/push", json={"message": "a secret"}, headers={"X-Request-Id": "one"})
    (line,) = lines_of(capfd)
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
    assert [line["caller"] for line in lines_of(capfd)] == ["producer", "producer"]


def test_on_a_terminal_it_is_a_line_of_words() -> None:
    line = Line(NOW, "one", "POST", "/push", 201, 1.26, "ada")
    assert str(line) == "06:57:41 201 POST /push 1.3 ms ada"


def test_a_write_holds_whole_lines_and_no_more_than_a_pipe_takes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _, part: written.append(part))
    write(
        [Line(NOW, str(number), "GET", "/" + "x" * 300, 200, 1.0) for number in range(100)]
        + [Line(NOW, "last", "GET", "/" + "x" * 2 * select.PIPE_BUF, 200, 1.0)]
    )
    assert [part.endswith(b"}\n") for part in written] == [True] * len(written)
    assert max(len(part) for part in written[:-1]) <= select.PIPE_BUF
    assert 5 < len(written) < 20
    ids = [json.loads(line)["request_id"] for part in written for line in part.splitlines()]
    assert ids == [*map(str, range(100)), "last"]
