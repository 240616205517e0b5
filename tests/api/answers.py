"""Reads answers, and checks what holds for all of their kind."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

JSON = "application/json"
OCTETS = "application/octet-stream"


def problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The body of an error, which must be a whole problem of this status and code."""
    assert (response.status_code, response.content_type) == (status, "application/problem+json"), response.text
    body: dict[str, Any] = response.get_json(force=True)
    assert body.keys() - {"errors"} == {"type", "title", "status", "detail", "code", "request_id"}
    assert (body["type"], body["status"], body["code"]) == (f"/problems/{code}", status, code)
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"]
    return body


def pointers(body: dict[str, Any]) -> list[str]:
    """Where the faults of a problem are."""
    return [fault["pointer"] for fault in body["errors"]]
