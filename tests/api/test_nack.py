"""POST /nack and /extend: what becomes of a message that is given back or kept longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from redis import Redis

EndLeases = Callable[[str], None]
Age = Callable[[str, float], None]


def lease(client: FlaskClient, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/pop", json={"lease": 30} | options).get_json()
    return answer


def test_a_message_given_back_at_once_comes_before_newer_ones(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": 1}, {"message": 2}]})
    first = lease(admin)
    answer = admin.post("/nack", json={"receipt": first["receipt"], "delay": 0})
    assert (answer.status_code, answer.get_json()) == (200, {"id": first["id"]})
    again = lease(admin)
    assert (again["message"], again["attempt"]) == (1, 2)


def test_several_given_back_at_once_keep_their_order(admin: FlaskClient) -> None:
    admin.post("/push", json={"messages": [{"message": number} for number in range(5)]})
    taken = lease(admin, max=3)["messages"]
    answer = admin.post("/nack", json={"receipts": [item["receipt"] for item in taken], "delay": 0})
    assert [result["status"] for result in answer.get_json()["results"]] == ["nacked", "nacked", "nacked"]
    assert [item["message"] for item in lease(admin, max=5)["messages"]] == [0, 1, 2, 3, 4]


def test_a_message_given_back_later_is_delayed(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    admin.post("/nack", json={"receipt": lease(admin)["receipt"], "delay": 60})
    counts = admin.get("/count").get_json()
    assert (counts["ready"], counts["delayed"], counts["leased"]) == (0, 1, 0)


def test_without_a_delay_the_backoff_of_the_queue_holds_and_grows(
    admin: FlaskClient, redis_client: Redis, age: Age
) -> None:
    """1 s after the first attempt and 2 s after the second, half of it certain and half drawn."""
    admin.post("/push", json={"message": 1})
    for shortest, longest in ((0.5, 1), (1, 2)):
        admin.post("/nack", json={"receipt": lease(admin)["receipt"]})
        now_ms = time.time() * 1000
        due = redis_client.zcount("pulpo:{default}:delayed", now_ms + shortest * 1000 - 100, now_ms + longest * 1000)
        assert due == 1
        age("pulpo:{default}:delayed", 3)


def test_a_message_whose_delay_is_over_is_delivered(admin: FlaskClient, age: Age) -> None:
    admin.post("/push", json={"message": 1, "delay": 60})
    assert lease(admin)["id"] is None
    age("pulpo:{default}:delayed", 61)
    assert admin.get("/count").get_json()["ready"] == 1
    assert lease(admin)["message"] == 1


def test_a_rejected_message_is_a_dead_letter_at_once(admin: FlaskClient) -> None:
    message_id = admin.post("/push", json={"message": {"order": 42}}).get_json()["id"]
    admin.post("/nack", json={"receipt": lease(admin)["receipt"], "dead": True, "error": "bad order"})
    counts = admin.get("/count").get_json()
    assert (counts["ready"], counts["dead"], counts["bytes"]) == (0, 1, 13)
    (letter,) = admin.get("/queues/default/dead").get_json()["messages"]
    assert (letter["id"], letter["message"], letter["attempts"], letter["reason"], letter["error"]) == (
        message_id,
        {"order": 42},
        1,
        "rejected",
        "bad order",
    )


def test_a_nack_of_the_last_attempt_buries_the_message(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    for _ in range(5):
        admin.post("/nack", json={"receipt": lease(admin)["receipt"], "delay": 0, "error": "timeout"})
    (letter,) = admin.get("/queues/default/dead").get_json()["messages"]
    assert (letter["attempts"], letter["reason"], letter["error"]) == (5, "max-attempts", "timeout")
    assert lease(admin)["id"] is None


def test_a_last_lease_that_ran_out_is_dead_from_that_moment(admin: FlaskClient, end_leases: EndLeases) -> None:
    admin.post("/push", json={"message": 1})
    for _ in range(4):
        admin.post("/nack", json={"receipt": lease(admin)["receipt"], "delay": 0})
    last = lease(admin)
    end_leases("default")

    assert admin.get("/count").get_json()["dead"] == 1
    (letter,) = admin.get("/queues/default/dead").get_json()["messages"]
    assert (letter["reason"], letter["attempts"]) == ("max-attempts", 5)
    assert admin.get(f"/queues/default/dead/{last['id']}").get_json() == letter
    assert admin.post("/ack", json={"receipt": last["receipt"]}).get_json()["code"] == "message-not-found"
    assert lease(admin)["id"] is None
    assert admin.get("/queues/default/dead").get_json()["messages"] == [letter]
    assert admin.get("/count").get_json()["dead"] == 1


def test_a_late_nack_cannot_take_a_message_leased_again(admin: FlaskClient, end_leases: EndLeases) -> None:
    admin.post("/push", json={"message": 1})
    late = lease(admin)
    end_leases("default")
    holder = lease(admin)

    for path in ("/nack", "/ack"):
        answer = admin.post(path, json={"receipt": late["receipt"]})
        assert (answer.status_code, answer.get_json()["code"]) == (409, "lease-lost")
    answer = admin.post("/extend", json={"receipt": late["receipt"], "lease": 60})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "lease-lost")

    assert admin.post("/ack", json={"receipt": holder["receipt"]}).status_code == 200


def test_a_lease_that_ran_out_can_still_be_settled_until_the_next_delivery(
    admin: FlaskClient, end_leases: EndLeases
) -> None:
    admin.post("/push", json={"message": 1})
    late = lease(admin)
    end_leases("default")
    assert admin.post("/ack", json={"receipt": late["receipt"]}).status_code == 200
    assert admin.get("/count").get_json()["ready"] == 0


def test_an_extended_lease_ends_later(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    taken = lease(admin)
    answer = admin.post("/extend", json={"receipt": taken["receipt"], "lease": 600}).get_json()
    assert answer["id"] == taken["id"]
    assert answer["lease_expires_at"] > taken["lease_expires_at"]
    assert admin.post("/ack", json={"receipt": taken["receipt"]}).status_code == 200


def test_a_plural_extend_tells_each_receipts_status(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    taken = lease(admin)
    body = {"receipts": [taken["receipt"], "junk"], "lease": 60}
    done, invalid = admin.post("/extend", json=body).get_json()["results"]
    assert (done["status"], done["id"]) == ("extended", taken["id"])
    assert invalid == {"status": "invalid"}


def test_a_nack_twice_finds_nothing_the_second_time(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    body = {"receipt": lease(admin)["receipt"], "delay": 0}
    admin.post("/nack", json=body)
    answer = admin.post("/nack", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "message-not-found")


def test_a_nack_with_a_delay_that_is_dead_is_refused(admin: FlaskClient) -> None:
    answer = admin.post("/nack", json={"receipt": "x", "dead": True, "delay": 1})
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/delay")


def test_an_empty_message_goes_all_the_ways_that_others_go(admin: FlaskClient, end_leases: EndLeases) -> None:
    """Its 0 bytes must not become the "-0" that Redis takes for no number, after the script wrote something else."""
    admin.put("/queues/q", json={"max_attempts": 2})
    for _ in range(3):
        admin.post("/queues/q/push", data=b"", content_type="text/plain")
    acked, rejected, spent = (admin.post("/queues/q/pop", json={"lease": 30}).get_json() for _ in range(3))
    assert admin.post("/ack", json={"receipt": acked["receipt"]}).status_code == 200
    assert admin.post("/nack", json={"receipt": rejected["receipt"], "dead": True}).status_code == 200
    admin.post("/nack", json={"receipt": spent["receipt"], "delay": 0})
    admin.post("/queues/q/pop", json={"lease": 30})
    end_leases("q")
    assert admin.post("/queues/q/redrive").get_json() == {"moved": 2, "remaining": 0}
    taken = admin.post("/queues/q/pop", json={"max": 5}).get_json()["messages"]
    assert [item["message"] for item in taken] == ["", ""]
    counts = admin.get("/queues/q/count").get_json()
    assert (counts["ready"], counts["leased"], counts["dead"], counts["bytes"]) == (0, 0, 0, 0)


def test_an_old_receipt_of_a_message_that_is_dead_finds_nothing_before_and_after_a_pop(
    admin: FlaskClient, end_leases: EndLeases
) -> None:
    admin.put("/queues/default", json={"max_attempts": 2})
    admin.post("/push", json={"message": 1})
    old = lease(admin)["receipt"]
    end_leases("default")
    lease(admin)
    end_leases("default")
    assert admin.post("/ack", json={"receipt": old}).status_code == 404
    lease(admin)
    assert admin.post("/ack", json={"receipt": old}).status_code == 404
