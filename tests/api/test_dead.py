"""The dead letters: a list with filters and a cursor, one by its id, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from tests.api.answers import problem

EndLeases = Callable[[str], None]
Age = Callable[[str, float], None]


def bury(client: FlaskClient, *messages: Any, queue: str = "default") -> list[str]:
    """Pushes messages and rejects them; returns their ids."""
    body = {"messages": [{"message": message} for message in messages]}
    ids: list[str] = client.post(f"/queues/{queue}/push", json=body).get_json()["ids"]
    taken = client.post(f"/queues/{queue}/pop", json={"max": 1000, "lease": 30}).get_json()["messages"]
    client.post("/nack", json={"receipts": [item["receipt"] for item in taken], "dead": True})
    return ids


def test_a_list_goes_on_where_its_cursor_points(admin: FlaskClient) -> None:
    ids = bury(admin, *range(7))
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        page = admin.get(f"/queues/default/dead?limit=3{cursor}").get_json()
        seen += [letter["id"] for letter in page["messages"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids
    assert page["next_cursor"] is None


def test_a_list_filters_by_reason(admin: FlaskClient) -> None:
    bury(admin, 1)
    assert len(admin.get("/queues/default/dead?reason=rejected").get_json()["messages"]) == 1
    assert admin.get("/queues/default/dead?reason=expired").get_json()["messages"] == []


def test_a_list_filters_by_time_of_death(admin: FlaskClient) -> None:
    bury(admin, 1)
    url = "/queues/default/dead"
    assert len(admin.get(f"{url}?after=2020-01-01T00:00:00Z&before=2100-01-01T00:00:00Z").get_json()["messages"]) == 1
    assert admin.get(f"{url}?after=2100-01-01T00:00:00Z").get_json()["messages"] == []
    assert admin.get(f"{url}?before=2020-01-01T00:00:00Z").get_json()["messages"] == []


def test_a_dead_letter_is_dropped_by_its_id(admin: FlaskClient) -> None:
    (message_id,) = bury(admin, 1)
    answer = admin.delete(f"/queues/default/dead/{message_id}")
    assert (answer.status_code, answer.get_json()) == (200, {"id": message_id})
    assert admin.get("/count").get_json()["dead"] == 0
    assert admin.get(f"/queues/default/dead/{message_id}").get_json()["code"] == "message-not-found"


def test_redrive_gives_all_back_with_no_attempt_counted(admin: FlaskClient) -> None:
    ids = bury(admin, 1, 2)
    assert admin.post("/queues/default/redrive").get_json() == {"moved": 2, "remaining": 0}
    taken = admin.post("/pop", json={"max": 10, "lease": 30}).get_json()["messages"]
    assert [(item["id"], item["attempt"]) for item in taken] == [(ids[0], 1), (ids[1], 1)]


def test_redrive_gives_back_at_most_its_limit(admin: FlaskClient) -> None:
    bury(admin, *range(5))
    assert admin.post("/queues/default/redrive", json={"limit": 2}).get_json() == {"moved": 2, "remaining": 3}
    counts = admin.get("/count").get_json()
    assert (counts["ready"], counts["dead"], counts["bytes"]) == (2, 3, 5)


def test_redrive_takes_more_than_a_step(admin: FlaskClient) -> None:
    for _ in range(3):
        bury(admin, *range(1000))
    assert admin.post("/queues/default/redrive", json={"limit": 2500}).get_json() == {"moved": 2500, "remaining": 500}


def test_redrive_by_ids_ignores_those_that_are_not_dead(admin: FlaskClient) -> None:
    ids = bury(admin, 1, 2)
    asked = [ids[1], ids[1], "00000000-0000-7000-8000-000000000000"]
    assert admin.post("/queues/default/redrive", json={"ids": asked}).get_json() == {"moved": 1, "remaining": 0}
    assert admin.post("/pop").get_json()["message"] == 2


def test_redrive_by_reason_leaves_the_others(admin: FlaskClient) -> None:
    bury(admin, 1)
    body = {"reason": "max-attempts"}
    assert admin.post("/queues/default/redrive", json=body).get_json() == {"moved": 0, "remaining": 0}
    assert admin.get("/count").get_json()["dead"] == 1


def test_an_old_receipt_counts_for_nothing_after_a_redrive(admin: FlaskClient) -> None:
    admin.post("/push", json={"message": 1})
    old = admin.post("/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/nack", json={"receipt": old, "dead": True})
    admin.post("/queues/default/redrive")
    assert admin.post("/ack", json={"receipt": old}).status_code == 404
    holder = admin.post("/pop", json={"lease": 30}).get_json()
    assert admin.post("/ack", json={"receipt": old}).status_code == 409
    assert admin.post("/ack", json={"receipt": holder["receipt"]}).status_code == 200


def test_only_so_many_dead_letters_are_kept_and_the_oldest_go_first(admin: FlaskClient) -> None:
    for _ in range(10):
        bury(admin, *range(1000))
    (newest,) = bury(admin, "newest")
    assert admin.get("/count").get_json()["dead"] == 10_000
    assert admin.get(f"/queues/default/dead/{newest}").status_code == 200


def spend(client: FlaskClient, end_leases: EndLeases, *, count: int, **settings: Any) -> None:
    """Makes `count` messages run out of their only lease; nobody looks at the queue after that."""
    client.put("/queues/q", json={"max_attempts": 1} | settings)
    client.post("/queues/q/push", json={"messages": [{"message": number} for number in range(count)]})
    client.post("/queues/q/pop", json={"max": count, "lease": 30})
    end_leases("q")


def test_redrive_gives_back_what_ran_out_of_its_last_lease(admin: FlaskClient, end_leases: EndLeases) -> None:
    spend(admin, end_leases, count=1000)
    spend(admin, end_leases, count=1000)
    assert admin.get("/queues/q/count").get_json()["dead"] == 2000
    assert admin.post("/queues/q/redrive").get_json() == {"moved": 2000, "remaining": 0}
    counts = admin.get("/queues/q/count").get_json()
    assert (counts["ready"], counts["dead"]) == (2000, 0)


def test_redrive_drops_nothing_that_it_was_asked_to_save(admin: FlaskClient, end_leases: EndLeases) -> None:
    spend(admin, end_leases, count=5, dead_max_messages=2)
    assert admin.post("/queues/q/redrive").get_json() == {"moved": 5, "remaining": 0}


def test_redrive_ends_though_everything_dies_again_meanwhile(admin: FlaskClient) -> None:
    """The time of the first step bounds what is given back, whatever time the caller names."""
    bury(admin, *range(3))
    body = {"before": "2100-01-01T00:00:00Z"}
    assert admin.post("/queues/default/redrive", json=body).get_json() == {"moved": 3, "remaining": 0}


def bury_ten_mib(client: FlaskClient) -> None:
    """40 messages of 256 KiB, in two pops, since one takes 8 MiB."""
    for _ in range(40):
        client.post("/push", data=b"x" * 262_144, content_type="text/plain")
    for _ in range(2):
        taken = client.post("/pop", json={"max": 1000, "lease": 30}).get_json()["messages"]
        client.post("/nack", json={"receipts": [item["receipt"] for item in taken], "dead": True})


def test_a_redrive_of_more_than_a_step_moves_all_in_the_end(admin: FlaskClient) -> None:
    bury_ten_mib(admin)
    assert admin.post("/queues/default/redrive").get_json() == {"moved": 40, "remaining": 0}


def test_a_page_ends_after_8_mib_of_bodies(admin: FlaskClient) -> None:
    bury_ten_mib(admin)
    first = admin.get("/queues/default/dead?limit=1000").get_json()
    second = admin.get(f"/queues/default/dead?limit=1000&cursor={first['next_cursor']}").get_json()
    assert (len(first["messages"]), len(second["messages"]), second["next_cursor"]) == (32, 8, None)


def test_letters_past_their_time_do_not_fill_a_queue_for_good(admin: FlaskClient, age: Age) -> None:
    """Nothing else could make room: they can be neither seen nor given back any more."""
    admin.put("/queues/default", json={"max_bytes": 1, "dead_ttl": 60})
    bury(admin, 1)
    assert admin.post("/push", json={"message": 2}).status_code == 429
    age("pulpo:{default}:dead:rejected", 61)
    admin.post("/pop")
    assert admin.post("/push", json={"message": 2}).status_code == 201


def test_a_dead_letter_is_gone_when_its_time_is_over_whoever_looks(
    admin: FlaskClient, redis_client: Redis, age: Age
) -> None:
    (message_id,) = bury(admin, 1)
    admin.put("/queues/default", json={"dead_ttl": 60})
    key = "pulpo:{default}:dead:rejected"
    age(key, 61)
    assert admin.get("/count").get_json()["dead"] == 0
    assert admin.get("/queues/default/dead").get_json()["messages"] == []
    assert admin.get(f"/queues/default/dead/{message_id}").status_code == 404
    assert admin.post("/queues/default/redrive").get_json() == {"moved": 0, "remaining": 0}
    bury(admin, 2)
    assert redis_client.zcard(key) == 1
    assert admin.get("/queues/default").get_json()["totals"]["dead_dropped"] == 1
    assert admin.get("/count").get_json()["bytes"] == 1


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "cursor=junk", "reason=bad", "after=yesterday", "after=2020-01-01T00:00:00", "x=1"],
)
def test_a_list_refuses_what_it_cannot_read(admin: FlaskClient, query: str) -> None:
    admin.post("/push", json={"message": 1})
    answer = admin.get(f"/queues/default/dead?{query}")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "body", [{"limit": 0}, {"ids": []}, {"ids": ["x"]}, {"ids": ["0" * 32], "reason": "rejected"}, {"x": 1}, []]
)
def test_redrive_refuses_what_it_cannot_read(admin: FlaskClient, body: object) -> None:
    admin.post("/push", json={"message": 1})
    answer = admin.post("/queues/default/redrive", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")


def test_a_queue_that_does_not_exist_has_no_dead_letters_to_look_at(admin: FlaskClient) -> None:
    message_id = "00000000-0000-7000-8000-000000000000"
    answers = [
        admin.get("/queues/none/dead"),
        admin.get(f"/queues/none/dead/{message_id}"),
        admin.delete(f"/queues/none/dead/{message_id}"),
        admin.post("/queues/none/redrive"),
    ]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in answers] == [(404, "queue-not-found")] * 4


def test_a_moment_beyond_every_year_is_invalid(admin: FlaskClient) -> None:
    problem(admin.get("/queues/default/dead?after=253402300800"), 422, "invalid")
