"""POST /push and POST /queues/{queue}/push."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace
from redis import Redis
from werkzeug.test import TestResponse

from app.settings import Settings
from tests.api.answers import JSON, pointers, problem
from tests.conftest import MakeApp, client_of


def push(client: FlaskClient, body: bytes, path: str = "/push") -> TestResponse:
    """Pushes JSON that is spelt exactly as given."""
    return client.post(path, data=body, content_type=JSON)


def messages(client: FlaskClient, queue: str = "default") -> list[Any]:
    """Everything that waits, taken."""
    return [item["message"] for item in client.post(f"/queues/{queue}/pop", json={"max": 1000}).get_json()["messages"]]


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_one_message_answers_its_queue_and_one_id(producer: FlaskClient) -> None:
    answer = producer.post("/push", json={"message": {"order": 42}})
    assert answer.status_code == 201
    assert answer.get_json().keys() == {"queue", "id"}
    assert answer.get_json()["queue"] == "default"
    assert UUID(answer.get_json()["id"]).version == 7


def test_several_messages_answer_their_ids_in_order(admin: FlaskClient) -> None:
    answer = admin.post("/push", json={"messages": [{"message": 1}, {"message": 2}, {"message": 3}]})
    assert answer.status_code == 201
    assert answer.get_json().keys() == {"queue", "ids"}
    popped = admin.post("/pop", json={"max": 3}).get_json()["messages"]
    assert [item["id"] for item in popped] == answer.get_json()["ids"]
    assert [item["message"] for item in popped] == [1, 2, 3]


def test_a_list_of_one_message_answers_a_list_of_one_id(producer: FlaskClient) -> None:
    assert len(producer.post("/push", json={"messages": [{"message": 1}]}).get_json()["ids"]) == 1


def test_a_named_queue_is_there_from_its_first_push(admin: FlaskClient) -> None:
    assert admin.post("/queues/orders.eu-1_a/push", json={"message": 1}).get_json()["queue"] == "orders.eu-1_a"
    assert messages(admin, "orders.eu-1_a") == [1]
    assert messages(admin) == []


@pytest.mark.parametrize("queue", ["a", "0", "A.b_c-d", "a" * 80, "count", "..".join("ab")])
def test_a_good_queue_name_is_taken(producer: FlaskClient, queue: str) -> None:
    assert producer.post(f"/queues/{queue}/push", json={"message": 1}).status_code == 201


@pytest.mark.parametrize("queue", ["-a", "_a", ".a", "a b", "ä", "a" * 81, "a:b", "{a}", "a*", "a%00", "%C3%28"])
def test_a_bad_queue_name_is_refused_and_nothing_is_written(
    producer: FlaskClient, redis_client: Redis, queue: str
) -> None:
    body = problem(producer.post(f"/queues/{queue}/push", json={"message": 1}), 422, "invalid")
    assert body["errors"][0]["parameter"] == "queue"
    assert redis_client.keys() == []


@pytest.mark.parametrize(
    "message",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":2}',
        b"1.10",
        b"-0.0",
        b"1E+2",
        b"1e999",
        b"123456789012345678901234567890",
        b'"\\u00e9\\u0041\\/"',
        '"é 😀"'.encode(),
        b'{ "spaced" : [ 1 ,\n\t2 ] }',
        b"null",
        b"true",
        b'""',
        b"{}",
        b'{"message":{"messages":[]}}',
    ],
)
def test_a_message_comes_back_byte_for_byte(admin: FlaskClient, message: bytes) -> None:
    assert push(admin, b'{"message":' + message + b"}").status_code == 201
    answer = admin.post("/pop")
    assert b'"message":' + message + b',"attempt"' in answer.data


def test_the_messages_of_a_batch_come_back_byte_for_byte(admin: FlaskClient) -> None:
    push(admin, b'{"messages":[{"message":1.0},{"message":{"b":1,"a":1e0}}]}')
    answer = admin.post("/pop", json={"max": 2})
    assert b'"message":1.0,"attempt"' in answer.data
    assert b'"message":{"b":1,"a":1e0},"attempt"' in answer.data


def test_json_is_recognised_whatever_the_parameters_and_case_of_its_type(admin: FlaskClient) -> None:
    admin.post("/push", data=b'{"message": 7}', content_type="Application/JSON; charset=utf-8")
    assert messages(admin) == [7]


def test_a_body_of_another_type_is_the_message_itself(admin: FlaskClient) -> None:
    admin.post("/push", data=b"<order/>", content_type="application/xml; charset=utf-8")
    popped = admin.post("/pop").get_json()
    assert (popped["message"], popped["content_type"]) == ("<order/>", "application/xml; charset=utf-8")
    assert "encoding" not in popped


def test_bytes_that_are_no_text_come_back_as_base64(admin: FlaskClient) -> None:
    admin.post("/push", data=b"\xff\xd8\x00", content_type="image/jpeg")
    popped = admin.post("/pop").get_json()
    assert (popped["message"], popped["encoding"], popped["content_type"]) == ("/9gA", "base64", "image/jpeg")


def test_a_raw_body_takes_its_options_from_the_query(admin: FlaskClient) -> None:
    answer = admin.post("/push?delay=60", data=b"later", content_type="text/plain")
    assert answer.status_code == 201
    assert admin.get("/count").get_json()["delayed"] == 1


def test_a_raw_body_may_look_like_json_under_its_own_type(admin: FlaskClient) -> None:
    admin.post("/push", data=b'{"message": 1}', content_type="text/plain")
    assert messages(admin) == ['{"message": 1}']


def test_what_curl_sends_for_d_hello_is_the_message_hello(admin: FlaskClient) -> None:
    admin.post("/push", data=b"hello", content_type="application/x-www-form-urlencoded")
    assert messages(admin) == ["hello"]


@pytest.mark.parametrize("body", [b'{"message": 1}', b"[1]"])
def test_json_under_the_form_type_of_curl_is_a_slip_that_names_the_way_out(
    admin: FlaskClient, redis_client: Redis, body: bytes
) -> None:
    answer = admin.post("/push", data=body, content_type="application/x-www-form-urlencoded")
    assert "--json" in problem(answer, 415, "unsupported-media-type")["detail"]
    assert redis_client.keys() == []


def test_a_body_without_a_type_is_octets(admin: FlaskClient) -> None:
    admin.post("/push", data=b"hello")
    assert admin.post("/pop").get_json()["content_type"] == "application/octet-stream"


def test_a_content_type_of_more_than_255_characters_is_refused(admin: FlaskClient) -> None:
    assert admin.post("/push", data=b"x", content_type="a/" + "b" * 253).status_code == 201
    problem(admin.post("/push", data=b"x", content_type="a/" + "b" * 254), 422, "invalid")


@pytest.mark.parametrize("text", [b"\xff", b'{"message": "\xc3("}', b'{"message": "\xed\xa0\x80"}', b'{"\xff": 1}'])
def test_json_that_is_not_utf8_is_malformed(producer: FlaskClient, text: bytes) -> None:
    problem(push(producer, text), 400, "malformed")


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"hello",
        b" ",
        b'{"message": NaN}',
        b'{"message": Infinity}',
        b'{"message": 01}',
        b'{"message": 1,}',
        b"{'message': 1}",
        b'{"message": 1} {"message": 2}',
        b'{"message": "\\x"}',
        b'{"message": "a\nb"}',
        b'\xef\xbb\xbf{"message": 1}',
        b'{"message": 1, "delay": NaN}',
        b'{"messages": [{"message": tru}]}',
    ],
)
def test_what_is_not_json_is_malformed_and_nothing_is_written(
    producer: FlaskClient, redis_client: Redis, text: bytes
) -> None:
    problem(push(producer, text), 400, "malformed")
    assert redis_client.keys() == []


@pytest.mark.parametrize(
    "text",
    [
        b'{"message":' + nested(100_000) + b"}",
        b'{"messages":[{"message":' + nested(100_000) + b"}]}",
    ],
    ids=["in message", "in messages"],
)
def test_a_hundred_thousand_brackets_are_malformed(producer: FlaskClient, text: bytes) -> None:
    problem(push(producer, text), 400, "malformed")


def test_a_message_may_nest_128_levels(admin: FlaskClient) -> None:
    assert push(admin, b'{"message":' + nested(128) + b"}").status_code == 201
    assert nested(128) in admin.post("/pop").data


def test_a_message_may_not_nest_129_levels(producer: FlaskClient, redis_client: Redis) -> None:
    body = problem(push(producer, b'{"message":' + nested(129) + b"}"), 400, "malformed")
    assert "128" in body["detail"]
    assert pointers(body) == ["/message"]
    assert redis_client.keys() == []


def test_128_levels_of_objects_and_lists_in_turn_are_the_limit(producer: FlaskClient) -> None:
    assert push(producer, b'{"message":' + b'[{"a":' * 64 + b"1" + b"}]" * 64 + b"}").status_code == 201
    problem(push(producer, b'{"message":' + b'[{"a":' * 64 + b"[]" + b"}]" * 64 + b"}"), 400, "malformed")


def test_brackets_inside_strings_are_no_levels(producer: FlaskClient) -> None:
    assert push(producer, b'{"message":"\\"' + b"[{" * 500 + b'"}').status_code == 201


def test_siblings_are_no_levels(producer: FlaskClient) -> None:
    assert push(producer, b'{"message":[' + b"[]," * 500 + b"[]]}").status_code == 201


@pytest.mark.parametrize("text", [b"", b"{}", b'{"delay": 1}', b'{"messages": [{}]}'])
def test_a_message_must_be_there(producer: FlaskClient, text: bytes) -> None:
    problem(push(producer, text), 422, "invalid")


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"hello"', b"true"])
def test_a_body_must_be_an_object(producer: FlaskClient, text: bytes) -> None:
    problem(push(producer, text), 422, "invalid")


@pytest.mark.parametrize(
    "text",
    [
        b'{"message": 1, "dealy": 1}',
        b'{"message": 1, "Delay": 1}',
        b'{"messages": [{"message": 1}], "x": 1}',
        b'{"messages": [{"message": 1, "x": 1}]}',
        b'{"messages": [{"message": 1, "messages": []}]}',
    ],
)
def test_an_unknown_field_is_refused_and_nothing_is_written(
    producer: FlaskClient, redis_client: Redis, text: bytes
) -> None:
    problem(push(producer, text), 422, "invalid")
    assert redis_client.keys() == []


def test_an_unknown_option_in_the_query_is_refused(producer: FlaskClient) -> None:
    problem(push(producer, b'{"message": 1}', "/push?dealy=1"), 422, "invalid")


def test_the_message_cannot_stand_in_the_query(producer: FlaskClient) -> None:
    problem(push(producer, b"{}", "/push?message=1"), 422, "invalid")


def test_an_option_in_body_and_query_is_refused_even_with_one_value(producer: FlaskClient) -> None:
    body = problem(push(producer, b'{"message": 1, "delay": 5}', "/push?delay=5"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "delay"


def test_an_option_given_twice_is_refused(producer: FlaskClient) -> None:
    body = problem(push(producer, b'{"message": 1}', "/push?delay=5&delay=5"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "delay"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"messages": [{"message": 1}], "message": 2}', "/push"),
        (b'{"messages": [{"message": 1}], "delay": 2}', "/push"),
        (b'{"messages": [{"message": 1}]}', "/push?delay=2"),
    ],
)
def test_beside_messages_nothing_else_may_stand(
    producer: FlaskClient, redis_client: Redis, text: bytes, path: str
) -> None:
    problem(push(producer, text, path), 422, "invalid")
    assert redis_client.keys() == []


def test_a_message_that_is_null_beside_messages_is_refused_too(producer: FlaskClient) -> None:
    problem(push(producer, b'{"message": null, "messages": [{"message": 1}]}'), 422, "invalid")


def test_a_delayed_message_does_not_come_before_its_time(admin: FlaskClient) -> None:
    push(admin, b'{"message": 1, "delay": 60}')
    assert messages(admin) == []


def test_each_message_of_a_batch_has_its_own_delay(admin: FlaskClient) -> None:
    push(admin, b'{"messages": [{"message": 1, "delay": 60}, {"message": 2}]}')
    assert messages(admin) == [2]
    assert admin.get("/count").get_json()["delayed"] == 1


@pytest.mark.parametrize("delay", ["0", "0.001", "1e1", "60", "31536000", "31536000.0"])
def test_a_delay_may_lie_between_nothing_and_a_year(producer: FlaskClient, delay: str) -> None:
    assert push(producer, b'{"message": 1, "delay": %s}' % delay.encode()).status_code == 201
    assert push(producer, b'{"message": 1}', f"/push?delay={delay}").status_code == 201


@pytest.mark.parametrize("delay", ["-1", "-0.001", "31536000.001", "31536001", "1e300", "true", '"5"', "null", "[]"])
def test_a_delay_out_of_range_or_not_a_number_is_refused(
    producer: FlaskClient, redis_client: Redis, delay: str
) -> None:
    body = problem(push(producer, b'{"message": 1, "delay": %s}' % delay.encode()), 422, "invalid")
    assert pointers(body) == ["/delay"]
    assert redis_client.keys() == []


def test_a_delay_beyond_every_number_is_refused(producer: FlaskClient, redis_client: Redis) -> None:
    answer = push(producer, b'{"message": 1, "delay": 1e999}')
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code, {400: "malformed", 422: "invalid"}[answer.status_code])
    assert redis_client.keys() == []


@pytest.mark.parametrize("delay", ["-1", "31536001", "1e999", "true", "five", "", "inf", "-inf", "0x10", "1,5"])
def test_a_delay_in_the_query_is_held_to_the_same_range(producer: FlaskClient, redis_client: Redis, delay: str) -> None:
    body = problem(push(producer, b'{"message": 1}', f"/push?delay={delay}"), 422, "invalid")
    assert body["errors"][0]["parameter"] == "delay"
    assert redis_client.keys() == []


@pytest.mark.parametrize("text", [b'{"messages": []}', b'{"messages": null}', b'{"messages": {"message": 1}}'])
def test_messages_must_be_a_list_that_holds_one(producer: FlaskClient, text: bytes) -> None:
    assert pointers(problem(push(producer, text), 422, "invalid")) == ["/messages"]


def test_a_thousand_messages_go_in_at_once(admin: FlaskClient) -> None:
    answer = push(admin, b'{"messages":[' + b",".join(b'{"message":%d}' % n for n in range(1000)) + b"]}")
    assert answer.status_code == 201
    assert len(set(answer.get_json()["ids"])) == 1000
    assert messages(admin) == list(range(1000))


def test_a_thousand_and_one_are_refused_and_none_goes_in(producer: FlaskClient, redis_client: Redis) -> None:
    body = problem(
        push(producer, b'{"messages":[' + b",".join([b'{"message":1}'] * 1001) + b"]}"),
        422,
        "invalid",
    )
    assert "1000" in body["detail"]
    assert redis_client.keys() == []


def test_every_faulty_item_of_a_batch_is_named_and_nothing_is_written(
    producer: FlaskClient, redis_client: Redis
) -> None:
    text = b"""{"messages": [
        {"message": 0},
        {"message": 1, "delay": -1},
        {"delay": 1},
        5,
        {"message": 4, "delay": "soon"},
        {"message": 5, "priorty": "high"},
        {"message": 6}
    ]}"""
    body = problem(push(producer, text), 422, "invalid")
    assert pointers(body) == [
        "/messages/1/delay",
        "/messages/2/message",
        "/messages/3",
        "/messages/4/delay",
        "/messages/5",
    ]
    assert all(fault["detail"] for fault in body["errors"])
    assert redis_client.keys() == []


def test_at_most_a_hundred_faulty_items_are_named(producer: FlaskClient) -> None:
    body = problem(push(producer, b'{"messages":[' + b",".join([b"1"] * 1000) + b"]}"), 422, "invalid")
    assert len(body["errors"]) == 100


def test_a_message_may_have_256_kib(admin: FlaskClient) -> None:
    text = b'"' + b"x" * 262142 + b'"'
    assert push(admin, b'{"message":' + text + b"}").status_code == 201
    assert text in admin.post("/pop").data


def test_a_larger_message_is_refused_naming_limit_and_size(producer: FlaskClient, redis_client: Redis) -> None:
    body = problem(push(producer, b'{"message":"' + b"x" * 262143 + b'"}'), 413, "message-too-large")
    assert "262144" in body["detail"]
    assert "262145" in body["detail"]
    assert redis_client.keys() == []


def test_a_raw_message_has_the_same_limit(producer: FlaskClient) -> None:
    assert producer.post("/push", data=b"x" * 262144).status_code == 201
    body = problem(producer.post("/push", data=b"x" * 262145), 413, "message-too-large")
    assert "262145" in body["detail"]


def test_one_message_too_large_keeps_the_whole_batch_out(producer: FlaskClient, redis_client: Redis) -> None:
    text = b'{"messages":[{"message":1},{"message":"' + b"x" * 262144 + b'"},{"message":3}]}'
    body = problem(push(producer, text), 413, "message-too-large")
    assert pointers(body) == ["/messages/1/message"]
    assert redis_client.keys() == []


@pytest.fixture
def narrow_producer(settings: Settings, make_app: MakeApp) -> FlaskClient:
    """Pushes where a request may have 2,000 bytes and a message 1,000."""
    app = make_app(replace(settings, max_request_bytes=2000, max_message_bytes=1000))
    return client_of(app, "producer")


def test_a_request_may_be_as_large_as_its_limit(narrow_producer: FlaskClient) -> None:
    text = b'{"message":1}'.ljust(2000)
    assert push(narrow_producer, text).status_code == 201


def test_a_larger_request_is_refused_naming_the_limit(narrow_producer: FlaskClient, redis_client: Redis) -> None:
    body = problem(push(narrow_producer, b'{"message":1}'.ljust(2001)), 413, "request-too-large")
    assert "2000" in body["detail"]
    assert redis_client.keys() == []


def test_a_request_in_chunks_is_read_whole(narrow_producer: FlaskClient) -> None:
    answer = narrow_producer.post(
        "/push",
        input_stream=io.BytesIO(b'{"message":1}'),
        content_type=JSON,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 201


def test_sixteen_mib_are_the_limit_of_a_request(producer: FlaskClient) -> None:
    answer = producer.post("/push", data=b"", content_type=JSON, environ_overrides={"CONTENT_LENGTH": "16777217"})
    assert "16777216" in problem(answer, 413, "request-too-large")["detail"]


def test_a_body_that_ends_before_its_declared_length_is_not_pushed(producer: FlaskClient, redis_client: Redis) -> None:
    """A client that broke off must not leave half a raw message behind."""
    answer = producer.post("/push", data=b"half", environ_overrides={"CONTENT_LENGTH": "8"})
    assert answer.status_code == 400
    assert redis_client.keys() == []
