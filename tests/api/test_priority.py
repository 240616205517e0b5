"""Priorities: the highest first, the oldest first within one, whatever happened to a message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.api.answers import OCTETS, pointers, problem


def pushed(client: FlaskClient, *messages: dict[str, object]) -> None:
    assert client.post("/push", json={"messages": list(messages)}).status_code == 201


def bodies(client: FlaskClient, **options: object) -> list[object]:
    return [item["message"] for item in client.post("/pop", json={"max": 100, **options}).get_json()["messages"]]


def test_the_highest_priority_comes_first_and_the_oldest_within_it(admin: FlaskClient) -> None:
    pushed(
        admin,
        {"message": 1, "priority": "low"},
        {"message": 2},
        {"message": 3, "priority": "high"},
        {"message": 4, "priority": "normal"},
        {"message": 5, "priority": "high"},
    )
    assert bodies(admin) == [3, 5, 2, 4, 1]


def test_a_delivery_tells_a_priority_that_is_not_normal(admin: FlaskClient) -> None:
    pushed(admin, {"message": 1, "priority": "low"}, {"message": 2})
    first, second = admin.post("/pop", json={"max": 2}).get_json()["messages"]
    assert ("priority" in first, second["priority"]) == (False, "low")


def test_a_message_given_back_stands_before_newer_ones_of_its_own_priority(admin: FlaskClient) -> None:
    pushed(admin, {"message": 1, "priority": "low"})
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    pushed(admin, {"message": 2, "priority": "low"}, {"message": 3})
    admin.post("/nack", json={"receipt": receipt, "delay": 0})
    assert bodies(admin) == [3, 1, 2]


def test_a_lease_that_ran_out_is_taken_before_newer_ones_of_its_priority(
    admin: FlaskClient, end_leases: Callable[[str], None]
) -> None:
    pushed(admin, {"message": 1, "priority": "low"}, {"message": 2, "priority": "high"})
    bodies(admin, lease=30)
    pushed(admin, {"message": 3, "priority": "low"}, {"message": 4}, {"message": 5, "priority": "high"})
    end_leases("default")
    assert bodies(admin) == [2, 5, 4, 1, 3]


def test_a_delayed_message_and_one_that_is_redriven_keep_their_priority(
    admin: FlaskClient, age: Callable[[str, float], None]
) -> None:
    pushed(admin, {"message": 1, "priority": "high", "delay": 60}, {"message": 2, "priority": "high"})
    receipt = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/nack", json={"receipt": receipt, "dead": True})
    pushed(admin, {"message": 3})
    admin.post("/queues/default/redrive")
    age("pulpo:{default}:delayed", 61)
    assert bodies(admin) == [2, 1, 3]


def test_options_of_a_raw_message_stand_in_the_query_and_come_back_in_headers(admin: FlaskClient) -> None:
    path = "/push?priority=high&attributes.colour=red&attributes.note=a%20b"
    assert admin.post(path, data=b"\x00", content_type="image/png").status_code == 201
    answer = admin.post("/pop", headers={"Accept": OCTETS})
    assert answer.headers["Pulpo-Priority"] == "high"
    assert answer.headers["Pulpo-Attributes"] == '{"colour":"red","note":"a b"}'


def test_attributes_come_back_as_they_were_given(admin: FlaskClient) -> None:
    attributes = {f"name-{place}": "x" * 100 for place in range(16)}
    admin.post("/push", json={"message": 1, "attributes": attributes})
    assert admin.post("/pop").get_json()["attributes"] == attributes


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"priority": "urgent"}, "/priority"),
        ({"priority": 1}, "/priority"),
        ({"ttl": 0}, "/ttl"),
        ({"ttl": 31_536_001}, "/ttl"),
        ({"group": ""}, "/group"),
        ({"group": "a b"}, "/group"),
        ({"group": "x" * 129}, "/group"),
        ({"group": "a", "delay": 0}, "/delay"),
        ({"group": "a", "priority": "normal"}, "/priority"),
        ({"attributes": {f"n{place}": "" for place in range(17)}}, "/attributes"),
        ({"attributes": {"a": "x" * 257}}, "/attributes"),
        ({"attributes": {"a": "é"}}, "/attributes"),
        ({"attributes": {"a": 1}}, "/attributes"),
        ({"attributes": {f"n{place}": "x" * 250 for place in range(9)}}, "/attributes"),
    ],
)
def test_an_option_out_of_range_is_named(admin: FlaskClient, options: dict[str, object], pointer: str) -> None:
    assert pointers(problem(admin.post("/push", json={"message": 1, **options}), 422, "invalid")) == [pointer]
    assert admin.get("/count").get_json()["count"] == 0


@pytest.mark.parametrize("query", ["attributes=a&attributes.b=c", "attributes.b=c&attributes=a", "attributes=a"])
def test_attributes_in_the_query_stand_each_by_itself(admin: FlaskClient, query: str) -> None:
    problem(admin.post(f"/push?{query}", data=b"x", content_type="text/plain"), 422, "invalid")


def test_the_name_of_an_attribute_may_be_any_printable_text(admin: FlaskClient) -> None:
    admin.post("/push?attributes.ce:type=x&attributes..a=y", data=b"x", content_type="text/plain")
    assert admin.post("/pop").get_json()["attributes"] == {"ce:type": "x", ".a": "y"}


def test_in_a_batch_the_faulty_item_is_named(admin: FlaskClient) -> None:
    answer = admin.post("/push", json={"messages": [{"message": 1}, {"message": 2, "group": "g", "delay": 1}]})
    assert pointers(problem(answer, 422, "invalid")) == ["/messages/1/delay"]


def test_with_messages_every_option_stands_beside_its_message(admin: FlaskClient) -> None:
    options: list[dict[str, object]] = [{"priority": "high"}, {"ttl": 1}, {"group": "g"}, {"attributes": {}}]
    for option in options:
        problem(admin.post("/push", json={"messages": [{"message": 1}], **option}), 422, "invalid")
