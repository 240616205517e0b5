"""What every answer carries, and what every error looks like."""

from __future__ import annotations

import json
import re

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from app.web import afterwards
from tests.api.answers import JSON, problem
from tests.conftest import Bearer

MADE_ID = re.compile(r"[0-9a-f]{32}")


def answers(client: FlaskClient, **headers: str) -> list[TestResponse]:
    """One answer of each status from 200 to 422 that the client can get."""
    return [
        client.get("/", headers=headers),
        client.post("/push", data=b"1", content_type=JSON, headers=headers),
        client.post("/push", data=b"{", content_type=JSON, headers=headers),
        client.post("/push", json={"message": 1}, headers=headers),
        client.post("/pop", headers={"Accept": "application/octet-stream"} | headers),
        client.post("/pop?max=1", headers={"Accept": "application/octet-stream"} | headers),
        client.post("/login", data=b"{", headers=headers),
        client.post("/login", data=b"x" * 16385, headers=headers),
        client.get("/nowhere", headers=headers),
        client.delete("/push", headers=headers),
        client.options("/push", headers=headers),
        client.get("/count", headers=headers | {"Authorization": "Bearer junk"}),
    ]


def test_every_answer_carries_the_request_id_that_was_sent(admin: FlaskClient) -> None:
    answered = answers(admin, **{"X-Request-Id": "Order_42.a-b"})
    assert {answer.headers["X-Request-Id"] for answer in answered} == {"Order_42.a-b"}


def test_every_answer_says_not_to_be_stored(admin: FlaskClient) -> None:
    assert {answer.headers["Cache-Control"] for answer in answers(admin)} == {"no-store"}
    assert {answer.headers["X-Content-Type-Options"] for answer in answers(admin)} == {"nosniff"}
    assert {answer.headers["Content-Security-Policy"][:18] for answer in answers(admin)} == {"default-src 'none'"}


def test_every_refusal_is_a_problem(admin: FlaskClient) -> None:
    refusals = [answer for answer in answers(admin) if answer.status_code >= 400]
    assert sorted({answer.status_code for answer in refusals}) == [400, 401, 404, 405, 406, 413, 422]
    for answer in refusals:
        problem(answer, answer.status_code, answer.get_json(force=True)["code"])


def test_no_answer_allows_other_origins(admin: FlaskClient) -> None:
    for answer in answers(admin, Origin="https://example.org"):
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_a_request_without_an_id_is_given_one(client: FlaskClient) -> None:
    first, second = client.get("/").headers["X-Request-Id"], client.get("/").headers["X-Request-Id"]
    assert MADE_ID.fullmatch(first)
    assert first != second


@pytest.mark.parametrize("sent", ["", "a b", "é", "a" * 129, '"x"', "a,b", "<script>"])
def test_an_id_that_is_not_well_formed_is_replaced(client: FlaskClient, sent: str) -> None:
    assert MADE_ID.fullmatch(client.get("/", headers={"X-Request-Id": sent}).headers["X-Request-Id"])


def test_an_id_may_have_128_characters(client: FlaskClient) -> None:
    assert client.get("/", headers={"X-Request-Id": "a" * 128}).headers["X-Request-Id"] == "a" * 128


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/push", {"POST", "OPTIONS"}),
        ("HEAD", "/pop", {"POST", "OPTIONS"}),
        ("PUT", "/ack", {"POST", "OPTIONS"}),
        ("DELETE", "/login", {"POST", "OPTIONS"}),
        ("PATCH", "/logout", {"POST", "OPTIONS"}),
        ("POST", "/count", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/queues/a/push", {"POST", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_405_and_tells_which_are_right(
    admin: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = admin.open(path, method=method)
    assert answer.status_code == 405
    assert answer.content_type == "application/problem+json"
    assert set(answer.headers["Allow"].split(", ")) == allowed
    if method != "HEAD":
        problem(answer, 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", {"GET", "HEAD", "OPTIONS"}),
        ("/push", {"POST", "OPTIONS"}),
        ("/queues/a/count", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_lists_the_methods_without_a_token(client: FlaskClient, path: str, allowed: set[str]) -> None:
    answer = client.options(path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_options_of_an_unknown_path_is_not_found(client: FlaskClient) -> None:
    problem(client.options("/nowhere"), 404, "not-found")


def test_head_of_an_unknown_path_has_no_body(client: FlaskClient) -> None:
    answer = client.head("/nowhere")
    assert (answer.status_code, answer.data) == (404, b"")


@pytest.mark.parametrize("path", ["/%ff", "/nothing/%ed%a0%80", "/a%00b", "/" + "x" * 5000, "/%0d%0aSet-Cookie:a"])
def test_an_odd_path_is_not_found(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    problem(answer, 404, "not-found")
    assert "Set-Cookie" not in answer.headers


def test_odd_bytes_in_the_query_are_refused(admin: FlaskClient) -> None:
    problem(admin.post("/pop?%ff=%ff&%00=1"), 422, "invalid")


def test_a_fault_of_ours_is_a_problem_that_tells_nothing_of_its_cause(
    admin: FlaskClient, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: somebody else wrote a string where the queue keeps a hash. The log tells the cause."""
    redis_client.set("pulpo:{default}:queue", "someone else's")
    body = problem(admin.post("/push", json={"message": 1}), 500, "internal")
    assert "WRONGTYPE" not in json.dumps(body)
    assert body["request_id"] in caplog.text
    assert "WRONGTYPE" in caplog.text


def test_the_access_log_has_a_line_a_request_without_token_query_or_body(
    client: FlaskClient, bearer: Bearer, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = bearer("producer") | {"X-Request-Id": "r-1"}
    client.post("/push?delay=7331", json={"message": "a-private-matter"}, headers=headers)
    afterwards.work_off()
    (line,) = capfd.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["request_id"], logged["method"], logged["path"]) == ("r-1", "POST", "/push")
    assert (logged["status"], logged["caller"]) == (201, "producer")
    assert headers["Authorization"].removeprefix("Bearer ") not in line
    assert "a-private-matter" not in line
    assert "7331" not in line
