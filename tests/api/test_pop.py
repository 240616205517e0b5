"""POST /pop and POST /queues/{queue}/pop."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.answers import JSON, OCTETS, problem

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def pop(client: FlaskClient, body: bytes, path: str = "/pop") -> TestResponse:
    """Pops with JSON that is spelt exactly as given."""
    return client.post(path, data=body, content_type=JSON)


def pop_raw(client: FlaskClient, path: str = "/pop", **more: Any) -> TestResponse:
    return client.post(path, headers={"Accept": OCTETS}, **more)


def waiting(client: FlaskClient) -> int:
    return int(client.get("/count").get_json()["ready"])


def seconds_until(time: str) -> float:
    return (datetime.fromisoformat(time) - datetime.now(UTC)) / timedelta(seconds=1)


@pytest.fixture
def three(admin: FlaskClient) -> list[str]:
    """The ids of three messages, 1, 2 and 3, in the queue default."""
    pushed = admin.post("/push", json={"messages": [{"message": 1}, {"message": 2}, {"message": 3}]})
    ids: list[str] = pushed.get_json()["ids"]
    return ids


def test_a_pop_answers_the_message_and_what_is_known_of_it(consumer: FlaskClient, three: list[str]) -> None:
    answer = consumer.post("/pop")
    popped = answer.get_json()
    assert answer.status_code == 200
    assert popped.keys() == {"queue", "id", "message", "attempt", "pushed_at"}
    assert (popped["queue"], popped["id"], popped["message"], popped["attempt"]) == ("default", three[0], 1, 1)
    assert TIME.fullmatch(popped["pushed_at"])
    assert -5 < seconds_until(popped["pushed_at"]) < 5


def test_pop_takes_the_oldest_first(consumer: FlaskClient, three: list[str]) -> None:
    assert [consumer.post("/pop").get_json()["message"] for _ in range(3)] == [1, 2, 3]


def test_pop_without_a_lease_takes_the_message_for_good(
    consumer: FlaskClient, three: list[str], end_leases: Callable[[str], None]
) -> None:
    consumer.post("/pop", json={"max": 3})
    end_leases("default")
    assert consumer.get("/count").get_json() == {
        "queue": "default",
        "count": 0,
        "ready": 0,
        "delayed": 0,
        "leased": 0,
        "dead": 0,
        "bytes": 0,
        "oldest_age": None,
    }


def test_an_empty_queue_is_no_error(consumer: FlaskClient) -> None:
    answer = consumer.post("/pop")
    assert answer.status_code == 200
    assert answer.get_json() == {"queue": "default", "id": None, "message": None, "detail": "The queue is empty."}


def test_a_message_that_is_null_is_told_from_an_empty_queue_by_its_id(admin: FlaskClient) -> None:
    pushed = admin.post("/push", json={"message": None}).get_json()["id"]
    popped = admin.post("/pop").get_json()
    assert (popped["id"], popped["message"]) == (pushed, None)
    assert "detail" not in popped


def test_a_queue_that_does_not_exist_pops_empty(consumer: FlaskClient) -> None:
    assert consumer.post("/queues/never-used/pop").get_json()["id"] is None


def test_max_answers_a_list_in_order(consumer: FlaskClient, three: list[str]) -> None:
    answer = consumer.post("/pop", json={"max": 2}).get_json()
    assert answer.keys() == {"queue", "messages"}
    assert [item["message"] for item in answer["messages"]] == [1, 2]
    assert waiting(consumer) == 1


def test_max_1_answers_a_list_too(consumer: FlaskClient, three: list[str]) -> None:
    assert [item["id"] for item in consumer.post("/pop", json={"max": 1}).get_json()["messages"]] == [three[0]]


def test_max_answers_what_there_is(consumer: FlaskClient, three: list[str]) -> None:
    assert len(consumer.post("/pop", json={"max": 1000}).get_json()["messages"]) == 3


def test_max_of_an_empty_queue_answers_an_empty_list(consumer: FlaskClient) -> None:
    answer = consumer.post("/pop", json={"max": 10})
    assert (answer.status_code, answer.get_json()["messages"]) == (200, [])


def test_an_answer_ends_at_8_mib_and_the_rest_stays(admin: FlaskClient) -> None:
    """Of 40 messages of 256 KiB, 32 make 8 MiB."""
    text = b'{"message":"' + b"x" * 262142 + b'"}'
    assert admin.post("/push", data=b'{"messages":[' + b",".join([text] * 40) + b"]}", content_type=JSON).status_code
    assert len(admin.post("/pop", json={"max": 100}).get_json()["messages"]) == 32
    assert waiting(admin) == 8


@pytest.mark.parametrize("value", ["0", "-1", "1001", "1.5", "true", '"5"', "null", "[]", "1e300"])
def test_max_out_of_range_or_not_a_whole_number_is_refused_and_nothing_is_taken(
    consumer: FlaskClient, three: list[str], value: str
) -> None:
    body = problem(pop(consumer, b'{"max": %s}' % value.encode()), 422, "invalid")
    assert body["errors"][0]["pointer"] == "/max"
    assert waiting(consumer) == 3


@pytest.mark.parametrize("value", ["0", "-1", "1001", "1.5", "true", "many", "", "nan", "1e999"])
def test_max_in_the_query_is_held_to_the_same_range(consumer: FlaskClient, three: list[str], value: str) -> None:
    body = problem(consumer.post(f"/pop?max={value}"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "max"
    assert waiting(consumer) == 3


@pytest.mark.parametrize("value", ["1", "1.5", "30", "43200", "true"])
def test_a_lease_may_last_between_a_second_and_twelve_hours(
    consumer: FlaskClient, three: list[str], value: str
) -> None:
    popped = pop(consumer, b'{"lease": %s}' % value.encode()).get_json()
    assert popped["receipt"]
    assert TIME.fullmatch(popped["lease_expires_at"])


@pytest.mark.parametrize("value", ["0", "0.999", "-1", "43200.1", "1e300", '"30"', '"true"', "null", "{}"])
def test_a_lease_out_of_range_or_not_a_number_is_refused_and_nothing_is_taken(
    consumer: FlaskClient, three: list[str], value: str
) -> None:
    body = problem(pop(consumer, b'{"lease": %s}' % value.encode()), 422, "invalid")
    assert body["errors"][0]["pointer"] == "/lease"
    assert waiting(consumer) == 3


@pytest.mark.parametrize("value", ["0.5", "-1", "43201", "1e999", "inf", "-inf", "soon", ""])
def test_a_lease_in_the_query_is_held_to_the_same_range(consumer: FlaskClient, three: list[str], value: str) -> None:
    body = problem(consumer.post(f"/pop?lease={value}"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "lease"
    assert waiting(consumer) == 3


@pytest.mark.parametrize("where", ["body", "query"])
def test_a_lease_lasts_as_long_as_was_asked(consumer: FlaskClient, three: list[str], where: str) -> None:
    answer = consumer.post("/pop", json={"lease": 600}) if where == "body" else consumer.post("/pop?lease=600")
    assert 590 < seconds_until(answer.get_json()["lease_expires_at"]) < 610


@pytest.mark.parametrize("where", ["body", "query"])
def test_lease_true_lasts_the_30_s_of_the_queue(consumer: FlaskClient, three: list[str], where: str) -> None:
    answer = consumer.post("/pop", json={"lease": True}) if where == "body" else consumer.post("/pop?lease=true")
    assert 25 < seconds_until(answer.get_json()["lease_expires_at"]) < 35


def test_a_leased_message_is_hidden_from_others(consumer: FlaskClient, three: list[str]) -> None:
    consumer.post("/pop", json={"lease": 60})
    assert consumer.post("/pop").get_json()["message"] == 2


def test_each_of_several_leased_messages_has_its_own_receipt(consumer: FlaskClient, three: list[str]) -> None:
    messages = consumer.post("/pop", json={"max": 3, "lease": 60}).get_json()["messages"]
    assert len({item["receipt"] for item in messages}) == 3
    assert all(TIME.fullmatch(item["lease_expires_at"]) for item in messages)


def test_a_message_whose_lease_ran_out_comes_back_before_newer_ones_as_the_next_attempt(
    consumer: FlaskClient, three: list[str], end_leases: Callable[[str], None]
) -> None:
    consumer.post("/pop", json={"lease": 60})
    end_leases("default")
    again = consumer.post("/pop", json={"lease": 60}).get_json()
    assert (again["message"], again["attempt"]) == (1, 2)


def test_a_message_is_delivered_five_times_at_most(
    consumer: FlaskClient, three: list[str], end_leases: Callable[[str], None]
) -> None:
    for attempt in range(1, 6):
        popped = consumer.post("/pop", json={"lease": 60}).get_json()
        assert (popped["message"], popped["attempt"]) == (1, attempt)
        end_leases("default")
    assert consumer.post("/pop").get_json()["message"] == 2


def test_options_may_stand_in_the_query(consumer: FlaskClient, three: list[str]) -> None:
    messages = consumer.post("/pop?max=2&lease=60").get_json()["messages"]
    assert [bool(item["receipt"]) for item in messages] == [True, True]


def test_one_option_may_stand_in_the_body_and_another_in_the_query(consumer: FlaskClient, three: list[str]) -> None:
    messages = consumer.post("/pop?lease=60", json={"max": 2}).get_json()["messages"]
    assert [bool(item["receipt"]) for item in messages] == [True, True]


def test_an_option_in_body_and_query_is_refused_and_nothing_is_taken(consumer: FlaskClient, three: list[str]) -> None:
    body = problem(consumer.post("/pop?max=2", json={"max": 2}), 422, "invalid")
    assert body["errors"][0]["parameter"] == "max"
    assert waiting(consumer) == 3


def test_an_option_given_twice_is_refused_and_nothing_is_taken(consumer: FlaskClient, three: list[str]) -> None:
    body = problem(consumer.post("/pop?max=2&max=2"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "max"
    assert waiting(consumer) == 3


@pytest.mark.parametrize("text", [b'{"maxx": 1}', b'{"Max": 1}', b'{"message": 1}'])
def test_an_unknown_field_is_refused_and_nothing_is_taken(consumer: FlaskClient, three: list[str], text: bytes) -> None:
    problem(pop(consumer, text), 422, "invalid")
    assert waiting(consumer) == 3


def test_an_unknown_option_in_the_query_is_refused_and_nothing_is_taken(
    consumer: FlaskClient, three: list[str]
) -> None:
    problem(consumer.post("/pop?leese=30"), 422, "invalid")
    assert waiting(consumer) == 3


@pytest.mark.parametrize("text", [b"{", b"max=1", b"\xff"])
def test_a_malformed_body_is_refused_and_nothing_is_taken(consumer: FlaskClient, three: list[str], text: bytes) -> None:
    problem(pop(consumer, text), 400, "malformed")
    assert waiting(consumer) == 3


@pytest.mark.parametrize("text", [b"[]", b"null", b"1"])
def test_a_body_that_is_no_object_is_refused_and_nothing_is_taken(
    consumer: FlaskClient, three: list[str], text: bytes
) -> None:
    problem(pop(consumer, text), 422, "invalid")
    assert waiting(consumer) == 3


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_is_json_whatever_its_type(consumer: FlaskClient, three: list[str], content_type: str | None) -> None:
    answer = consumer.post("/pop", data=b'{"max": 2}', content_type=content_type)
    assert len(answer.get_json()["messages"]) == 2


@pytest.mark.parametrize("queue", ["-a", ".a", "a b", "ä", "a" * 81])
def test_a_bad_queue_name_is_refused(consumer: FlaskClient, queue: str) -> None:
    body = problem(consumer.post(f"/queues/{queue}/pop"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "queue"


def test_raw_bytes_come_with_their_story_in_headers(admin: FlaskClient) -> None:
    pushed = admin.post("/push", data=b"\xff\xd8\x00", content_type="image/jpeg").get_json()["id"]
    answer = pop_raw(admin)
    assert (answer.status_code, answer.content_type, answer.data) == (200, OCTETS, b"\xff\xd8\x00")
    assert answer.headers["Pulpo-Queue"] == "default"
    assert answer.headers["Pulpo-Id"] == pushed
    assert answer.headers["Pulpo-Attempt"] == "1"
    assert answer.headers["Pulpo-Content-Type"] == "image/jpeg"
    assert TIME.fullmatch(answer.headers["Pulpo-Pushed-At"])
    assert "Pulpo-Receipt" not in answer.headers


def test_json_comes_raw_as_it_was_sent(admin: FlaskClient) -> None:
    admin.post("/push", data=b'{"message": {"b":1.0,"a":2} }', content_type=JSON)
    answer = pop_raw(admin)
    assert (answer.data, answer.headers["Pulpo-Content-Type"]) == (b'{"b":1.0,"a":2}', "application/json")


def test_a_raw_message_that_is_leased_brings_a_receipt_that_settles_it(admin: FlaskClient) -> None:
    pushed = admin.post("/push", data=b"x").get_json()["id"]
    answer = pop_raw(admin, json={"lease": 60})
    assert TIME.fullmatch(answer.headers["Pulpo-Lease-Expires-At"])
    settled = admin.post("/ack", json={"receipt": answer.headers["Pulpo-Receipt"]})
    assert settled.get_json() == {"id": pushed}


def test_raw_and_empty_is_204_with_nothing(consumer: FlaskClient) -> None:
    answer = pop_raw(consumer)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Pulpo-Id" not in answer.headers


def test_an_empty_message_is_told_from_an_empty_queue_by_its_status(admin: FlaskClient) -> None:
    pushed = admin.post("/push", data=b"", content_type="text/plain").get_json()["id"]
    answer = pop_raw(admin)
    assert (answer.status_code, answer.data, answer.headers["Pulpo-Id"]) == (200, b"", pushed)


@pytest.mark.parametrize("path", ["/pop?max=1", "/pop?max=2&lease=30"])
def test_raw_bytes_cannot_carry_several_and_nothing_is_taken(
    consumer: FlaskClient, three: list[str], path: str
) -> None:
    problem(pop_raw(consumer, path), 406, "not-acceptable")
    assert waiting(consumer) == 3


def test_raw_bytes_cannot_carry_several_asked_for_in_the_body_either(consumer: FlaskClient, three: list[str]) -> None:
    problem(pop_raw(consumer, json={"max": 2}), 406, "not-acceptable")
    assert waiting(consumer) == 3


def test_an_error_of_a_raw_pop_is_a_problem_all_the_same(consumer: FlaskClient) -> None:
    problem(pop_raw(consumer, "/pop?lease=-1"), 422, "invalid")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/html"])
def test_any_other_accept_answers_json(consumer: FlaskClient, three: list[str], accept: str) -> None:
    assert consumer.post("/pop", headers={"Accept": accept}).get_json()["message"] == 1
