"""What is wrong with a request is told exactly, and nothing of it is done."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace
from redis import Redis

from app.settings import Secret, Settings
from tests.api.answers import JSON, pointers, problem
from tests.conftest import MakeApp, client_of
from tests.redis_server import PrivateRedis

BRACKETS = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        BRACKETS,
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"other":' + BRACKETS + b"}",
        b'{"receipt":' + BRACKETS + b"}",
        b'{"max":' + BRACKETS + b"}",
    ],
    ids=["bare", "bare and open", "objects", "in an unknown field", "in a receipt", "in max"],
)
@pytest.mark.parametrize("path", ["/push", "/pop", "/ack"])
def test_a_hundred_thousand_brackets_are_malformed_wherever_they_stand(
    admin: FlaskClient, path: str, text: bytes
) -> None:
    problem(admin.post(path, data=text, content_type=JSON), 400, "malformed")


def test_a_login_that_nests_too_deep_is_malformed(client: FlaskClient) -> None:
    problem(client.post("/login", data=b"[" * 16_000, content_type=JSON), 400, "malformed")


@pytest.mark.parametrize("text", [b"[1", b'{"dealy": 1, "message": tru}', b'{"delay": "x", '])
def test_what_is_not_json_is_malformed_even_if_it_is_also_of_the_wrong_form(producer: FlaskClient, text: bytes) -> None:
    problem(producer.post("/push", data=text, content_type=JSON), 400, "malformed")


@pytest.fixture
def narrow_producer(settings: Settings, make_app: MakeApp) -> FlaskClient:
    """Pushes where a request may have 2,000 bytes and a message as many."""
    return client_of(make_app(replace(settings, max_request_bytes=2000, max_message_bytes=2000)), "producer")


@pytest.mark.parametrize(("body", "content_type"), [(b"x" * 2001, "text/plain"), (b'{"message":1}'.ljust(2001), JSON)])
def test_a_larger_request_of_no_declared_length_is_refused(
    narrow_producer: FlaskClient, redis_client: Redis, body: bytes, content_type: str
) -> None:
    """As it comes in chunks. Werkzeug cuts it at the limit without a word, and what is left is pushed."""
    answer = narrow_producer.post(
        "/push",
        input_stream=io.BytesIO(body),
        content_type=content_type,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    problem(answer, 413, "request-too-large")
    assert redis_client.keys() == []


def test_a_request_too_large_is_refused_naming_its_size(narrow_producer: FlaskClient) -> None:
    answer = narrow_producer.post("/push", data=b"x" * 2001)
    assert "2001" in problem(answer, 413, "request-too-large")["detail"]


def test_a_body_that_ends_before_its_declared_length_is_malformed(producer: FlaskClient) -> None:
    answer = producer.post("/push", data=b"half", environ_overrides={"CONTENT_LENGTH": "8"})
    problem(answer, 400, "malformed")


def test_an_item_of_a_batch_that_nests_too_deep_is_malformed_as_a_single_message_is(producer: FlaskClient) -> None:
    text = b'{"messages":[{"message":1},{"message":' + b"[" * 129 + b"]" * 129 + b"}]}"
    body = problem(producer.post("/push", data=text, content_type=JSON), 400, "malformed")
    assert pointers(body) == ["/messages/1/message"]


def test_a_batch_of_one_names_its_message_that_is_too_large(producer: FlaskClient) -> None:
    answer = producer.post("/push", json={"messages": [{"message": "x" * 262144}]})
    assert pointers(problem(answer, 413, "message-too-large")) == ["/messages/0/message"]


def test_at_most_a_hundred_messages_that_are_too_large_are_named(settings: Settings, make_app: MakeApp) -> None:
    producer = client_of(make_app(replace(settings, max_message_bytes=10)), "producer")
    answer = producer.post("/push", json={"messages": [{"message": "x" * 20}] * 101})
    assert len(problem(answer, 413, "message-too-large")["errors"]) == 100


def test_a_batch_names_items_too_large_beside_items_with_other_faults(producer: FlaskClient) -> None:
    answer = producer.post("/push", json={"messages": [{"message": 1, "delay": -1}, {"message": "x" * 262144}]})
    named = {fault["pointer"] for fault in answer.get_json(force=True)["errors"]}
    assert named == {"/messages/0/delay", "/messages/1/message"}


@pytest.mark.parametrize("queue", ["a%0A", "a%0Ab", "%0A"])
def test_a_queue_name_with_a_line_break_is_a_bad_name_and_no_missing_permission(admin: FlaskClient, queue: str) -> None:
    problem(admin.post(f"/queues/{queue}/push", json={"message": 1}), 422, "invalid")


@pytest.mark.parametrize(("path", "body"), [("/pop", {"lease": False}), ("/pop?lease=false", {})])
def test_a_lease_is_a_time_or_true_and_false_takes_nothing_for_good(
    admin: FlaskClient, path: str, body: dict[str, Any]
) -> None:
    admin.post("/push", json={"message": 1})
    problem(admin.post(path, json=body), 422, "invalid")
    assert admin.get("/count").get_json()["ready"] == 1


def test_a_foreign_receipt_is_refused_naming_the_permission(orders_consumer: FlaskClient) -> None:
    answer = orders_consumer.post("/ack", json={"receipt": "A" * 43 + ".secret"})
    assert "pop:secret" in problem(answer, 403, "forbidden")["detail"]


def test_a_receipt_that_is_too_long_hinders_no_other(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    receipt = admin.post("/pop", json={"lease": 60}).get_json()["receipt"]
    answer = admin.post("/ack", json={"receipts": ["x" * 300, receipt]})
    assert [result["status"] for result in answer.get_json()["results"]] == ["invalid", "acked"]


@pytest.fixture
def redis_without_config() -> Iterator[PrivateRedis]:
    """As hosted Redis services give it: CONFIG is an unknown command."""
    with PrivateRedis("--rename-command", "CONFIG", "") as server:
        yield server


def test_info_answers_though_redis_does_not_know_config(
    settings: Settings, make_app: MakeApp, redis_without_config: PrivateRedis
) -> None:
    viewer = client_of(make_app(replace(settings, redis_url=Secret(redis_without_config.url))), "viewer")
    answer = viewer.get("/info")
    assert answer.status_code == 200
    assert answer.get_json()["redis"]["status"] == "pass"


def test_a_chunked_body_is_refused_where_half_of_one_looks_whole(producer: FlaskClient) -> None:
    half = {"SERVER_SOFTWARE": "Granian", "wsgi.input_terminated": True}
    answer = producer.post(
        "/push", input_stream=io.BytesIO(b"half"), headers={"Transfer-Encoding": "chunked"}, environ_overrides=half
    )
    problem(answer, 411, "length-required")
