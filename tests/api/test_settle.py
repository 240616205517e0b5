"""POST /ack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.answers import JSON, problem

GARBAGE = [
    "",
    "x",
    "A" * 43,
    "A" * 43 + ".",
    "A" * 42 + ".default",
    "A" * 44 + ".default",
    "A" * 42 + "+.default",
    "A" * 43 + ".-bad",
    "A" * 43 + ".default\n",
    "é" * 43 + ".default",
]
NEVER_GIVEN = "A" * 43 + ".default"

EndLeases = Callable[[str], None]


def leased(admin: FlaskClient, message: Any = 1, queue: str = "default") -> tuple[str, str]:
    """Id and receipt of a message that was pushed and leased."""
    admin.post(f"/queues/{queue}/push", json={"message": message})
    popped = admin.post(f"/queues/{queue}/pop", json={"lease": 60}).get_json()
    return popped["id"], popped["receipt"]


def ack(client: FlaskClient, receipt: str) -> TestResponse:
    return client.post("/ack", json={"receipt": receipt})


def ack_all(client: FlaskClient, *receipts: str) -> TestResponse:
    return client.post("/ack", json={"receipts": receipts})


def test_ack_answers_the_id_and_the_message_is_gone(admin: FlaskClient, end_leases: EndLeases) -> None:
    message_id, receipt = leased(admin)
    answer = ack(admin, receipt)
    assert (answer.status_code, answer.get_json()) == (200, {"id": message_id})
    end_leases("default")
    assert admin.post("/pop").get_json()["id"] is None


def test_an_acked_message_counts_nowhere(admin: FlaskClient) -> None:
    _, receipt = leased(admin)
    ack(admin, receipt)
    counted = admin.get("/count").get_json()
    assert (counted["ready"], counted["leased"], counted["bytes"]) == (0, 0, 0)


def test_a_second_ack_finds_the_message_gone(admin: FlaskClient) -> None:
    _, receipt = leased(admin)
    ack(admin, receipt)
    problem(ack(admin, receipt), 404, "message-not-found")


def test_a_receipt_that_was_never_given_finds_nothing(admin: FlaskClient) -> None:
    problem(ack(admin, NEVER_GIVEN), 404, "message-not-found")


def test_a_receipt_put_onto_another_queue_finds_nothing(admin: FlaskClient) -> None:
    _, receipt = leased(admin)
    problem(ack(admin, receipt.replace(".default", ".other")), 404, "message-not-found")
    assert admin.get("/count").get_json()["leased"] == 1


def test_a_lease_that_ran_out_can_be_settled_until_the_message_is_delivered_again(
    admin: FlaskClient, end_leases: EndLeases
) -> None:
    message_id, receipt = leased(admin)
    end_leases("default")
    assert ack(admin, receipt).get_json() == {"id": message_id}
    assert admin.post("/pop").get_json()["id"] is None


def test_a_late_ack_cannot_remove_a_message_leased_again(admin: FlaskClient, end_leases: EndLeases) -> None:
    message_id, late = leased(admin)
    end_leases("default")
    new = admin.post("/pop", json={"lease": 60}).get_json()["receipt"]
    problem(ack(admin, late), 409, "lease-lost")
    assert ack(admin, new).get_json() == {"id": message_id}


def test_a_message_taken_for_good_after_its_lease_is_gone_for_the_late(
    admin: FlaskClient, end_leases: EndLeases
) -> None:
    _, late = leased(admin)
    end_leases("default")
    admin.post("/pop")
    problem(ack(admin, late), 404, "message-not-found")


def test_an_ack_of_a_dead_message_finds_nothing(admin: FlaskClient, end_leases: EndLeases) -> None:
    admin.post("/push", json={"message": 1})
    for _ in range(5):
        receipt = admin.post("/pop", json={"lease": 60}).get_json()["receipt"]
        end_leases("default")
    admin.post("/pop")
    problem(ack(admin, receipt), 404, "message-not-found")


@pytest.mark.parametrize("receipt", GARBAGE)
def test_what_is_no_receipt_is_invalid(admin: FlaskClient, receipt: str) -> None:
    body = problem(ack(admin, receipt), 422, "invalid")
    assert body["errors"][0]["pointer"] == "/receipt"


def test_a_receipt_of_a_foreign_queue_is_forbidden_and_changes_nothing(
    admin: FlaskClient, orders_consumer: FlaskClient
) -> None:
    message_id, receipt = leased(admin, queue="secret")
    problem(ack(orders_consumer, receipt), 403, "forbidden")
    assert ack(admin, receipt).get_json() == {"id": message_id}


def test_a_foreign_queue_is_forbidden_whether_or_not_it_holds_the_message(orders_consumer: FlaskClient) -> None:
    problem(ack(orders_consumer, "A" * 43 + ".secret"), 403, "forbidden")


def test_a_narrow_permission_settles_its_own_queues(admin: FlaskClient, orders_consumer: FlaskClient) -> None:
    message_id, receipt = leased(admin, queue="orders.eu")
    assert ack(orders_consumer, receipt).get_json() == {"id": message_id}


def test_a_producer_may_not_settle(admin: FlaskClient, producer: FlaskClient) -> None:
    _, receipt = leased(admin)
    problem(ack(producer, receipt), 403, "forbidden")


def test_several_receipts_answer_a_result_each_in_order(admin: FlaskClient) -> None:
    (first, one), (second, two) = leased(admin, 1), leased(admin, 2)
    answer = ack_all(admin, two, one)
    assert answer.status_code == 200
    assert answer.get_json() == {"results": [{"status": "acked", "id": second}, {"status": "acked", "id": first}]}


def test_a_list_of_one_receipt_answers_a_list_of_one_result(admin: FlaskClient) -> None:
    message_id, receipt = leased(admin)
    assert ack_all(admin, receipt).get_json() == {"results": [{"status": "acked", "id": message_id}]}


def test_no_fault_of_one_receipt_hinders_another(
    admin: FlaskClient, orders_consumer: FlaskClient, end_leases: EndLeases
) -> None:
    lost_id, lost = leased(admin, 1, "orders.eu")
    end_leases("orders.eu")
    admin.post("/queues/orders.eu/pop", json={"lease": 60})
    (good_id, good), (us_id, us) = leased(admin, 2, "orders.eu"), leased(admin, 3, "orders.us")
    foreign_id, foreign = leased(admin, 4, "secret")
    answer = ack_all(orders_consumer, "junk", lost, good, foreign, good, us, "A" * 43 + ".orders.none")
    assert answer.status_code == 200
    assert answer.get_json()["results"] == [
        {"status": "invalid"},
        {"status": "lease-lost", "id": lost_id},
        {"status": "acked", "id": good_id},
        {"status": "forbidden", "id": foreign_id},
        {"status": "message-not-found", "id": good_id},
        {"status": "acked", "id": us_id},
        {"status": "message-not-found", "id": "00000000-0000-0000-0000-000000000000"},
    ]


def test_a_thousand_receipts_are_settled_at_once(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": number} for number in range(1000)]})
    messages = admin.post("/pop", json={"max": 1000, "lease": 60}).get_json()["messages"]
    results = ack_all(admin, *(item["receipt"] for item in messages)).get_json()["results"]
    assert [result["status"] for result in results] == ["acked"] * 1000
    assert admin.get("/count").get_json()["leased"] == 0


def test_a_thousand_and_one_receipts_are_refused_and_none_is_settled(admin: FlaskClient) -> None:
    _, receipt = leased(admin)
    problem(ack_all(admin, *[receipt] * 1001), 422, "invalid")
    assert admin.get("/count").get_json()["leased"] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"receipts": []}',
        b'{"receipts": null}',
        b'{"receipts": "a"}',
        b'{"receipt": null}',
        b'{"receipt": 5}',
        b'{"receipt": ["a"]}',
        b'{"receipt": "a", "receipts": ["a"]}',
        b'{"receipt": "a", "lease": 5}',
        b'{"reciept": "a"}',
    ],
)
def test_a_body_with_neither_or_both_or_more_is_invalid(consumer: FlaskClient, text: bytes) -> None:
    problem(consumer.post("/ack", data=text, content_type=JSON), 422, "invalid")


@pytest.mark.parametrize("text", [b"{", b"receipt=a", b"\xff"])
def test_a_malformed_body_is_refused(consumer: FlaskClient, text: bytes) -> None:
    problem(consumer.post("/ack", data=text, content_type=JSON), 400, "malformed")


def test_a_receipt_in_the_query_is_refused(admin: FlaskClient) -> None:
    _, receipt = leased(admin)
    problem(admin.post(f"/ack?receipt={receipt}"), 422, "invalid")
    assert admin.get("/count").get_json()["leased"] == 1


def test_a_body_is_json_whatever_its_type(admin: FlaskClient) -> None:
    message_id, receipt = leased(admin)
    answer = admin.post("/ack", data=b'{"receipt": "%s"}' % receipt.encode(), content_type="text/plain")
    assert answer.get_json() == {"id": message_id}
