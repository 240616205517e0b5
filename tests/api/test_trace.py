"""A trace goes into the message with its push, and comes back with each delivery."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.web import afterwards

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NEXT_SPAN = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
NO_TRACES = [
    "nonsense",
    TRACE.upper(),
    TRACE + "-more",
    TRACE.replace("00-", "ff-", 1),
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
]


def push(admin: FlaskClient, body: object, *, trace: str = TRACE, **headers: str) -> TestResponse:
    return admin.post("/push", json=body, headers={"traceparent": trace, **headers})


def test_each_delivery_tells_the_trace_of_the_push(admin: FlaskClient) -> None:
    push(admin, {"messages": [{"message": 1}, {"message": 2, "attributes": {"a": "b"}}, {"message": 3}]})
    messages = admin.post("/pop", json={"max": 2, "lease": 30}).get_json()["messages"]
    assert [(each["message"], each["traceparent"]) for each in messages] == [(1, TRACE), (2, TRACE)]
    assert admin.post("/pop", headers={"Accept": "application/octet-stream"}).headers["Pulpo-Traceparent"] == TRACE


def test_a_message_pushed_without_a_trace_has_none(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    assert "traceparent" not in admin.post("/pop").get_json()


def test_a_look_and_a_dead_letter_tell_it(admin: FlaskClient) -> None:
    admin.post("/push", data=b"bytes", headers={"traceparent": TRACE, "Content-Type": "image/jpeg"})
    assert admin.get("/queues/default/messages").get_json()["messages"][0]["traceparent"] == TRACE
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/nack", json={"receipt": receipt, "dead": True})
    (letter,) = admin.get("/queues/default/dead").get_json()["messages"]
    assert (letter["traceparent"], letter["content_type"]) == (TRACE, "image/jpeg")


@pytest.mark.parametrize("trace", NO_TRACES)
def test_what_is_no_trace_is_ignored(admin: FlaskClient, trace: str) -> None:
    assert push(admin, {"message": 1}, trace=trace).status_code == 201
    assert "traceparent" not in admin.post("/pop").get_json()


@pytest.mark.parametrize("body", [{"message": 1}, {"message": 1, "key": "k"}])
def test_a_push_repeated_in_another_span_is_the_same_push(admin: FlaskClient, body: dict[str, object]) -> None:
    headers = {} if "key" in body else {"Idempotency-Key": "k"}
    first = push(admin, body, **headers)
    again = push(admin, body, trace=NEXT_SPAN, **headers)
    assert (again.status_code, again.json) == (200, first.json)
    assert admin.post("/pop").get_json()["traceparent"] == TRACE


def test_the_log_line_tells_it(admin: FlaskClient, capfd: pytest.CaptureFixture[str]) -> None:
    push(admin, {"message": 1})
    afterwards.work_off()
    assert json.loads(capfd.readouterr().out)["traceparent"] == TRACE
