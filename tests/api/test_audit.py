"""The audit log: who did what, from where, with what outcome, and no secret."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, update

from app.storage.sql.tables import audit, metadata
from tests.api.answers import problem
from tests.conftest import PASSWORD, Login, client_of, services_of

NEW = {"username": "ann", "password": "a long enough password", "roles": ["consumer"]}


def entries(admin: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get(f"/audit?limit=1000&{query}").get_json()["entries"]
    return [entry for entry in found if entry["actor"] != "tests"]


def brief(admin: FlaskClient) -> list[tuple[str, str, str, str]]:
    return [(entry["actor"], entry["action"], entry["target"], entry["detail"]) for entry in entries(admin)][::-1]


def test_what_is_done_to_users_and_keys_is_told(admin: FlaskClient, app: Flask) -> None:
    admin.post("/users", json=NEW)
    admin.patch("/users/ann", json={"roles": [], "disabled": True, "password": "another long password"})
    admin.delete("/users/ann")
    key = admin.post("/keys", json={"name": "k", "permissions": ["push:a"]}).get_json()
    admin.delete(f"/keys/{key['id']}")
    client_of(app, "viewer").post("/logout")
    assert brief(admin) == [
        ("admin", "user.add", "ann", "consumer"),
        ("admin", "user.change", "ann", "password; roles: ; disabled"),
        ("admin", "user.remove", "ann", ""),
        ("admin", "key.add", key["id"], "k: push:a"),
        ("admin", "key.remove", key["id"], ""),
        ("viewer", "logout", "viewer", ""),
    ]


def test_what_is_done_to_queues_is_told(admin: FlaskClient) -> None:
    admin.put("/queues/orders", json={"max_attempts": 2})
    admin.post("/queues/orders/push", json={"messages": [{"message": "a"}, {"message": "b"}]})
    taken = admin.post("/queues/orders/pop", json={"max": 2, "lease": 30}).get_json()["messages"]
    admin.post("/nack", json={"receipts": [item["receipt"] for item in taken], "dead": True})
    admin.delete(f"/queues/orders/dead/{taken[0]['id']}")
    admin.post("/queues/orders/redrive")
    assert brief(admin) == [
        ("admin", "queue.configure", "orders", "max_attempts=2"),
        ("admin", "dead.remove", "orders", taken[0]["id"]),
        ("admin", "dead.redrive", "orders", "moved 1"),
    ]


def test_a_machine_is_named_by_its_owner_and_key(admin: FlaskClient, app: Flask) -> None:
    key = admin.post("/keys", json={"name": "k", "permissions": ["manage:*"]}).get_json()
    app.test_client().put("/queues/a", json={}, headers={"Authorization": f"Bearer {key['key']}"})
    assert entries(admin)[0]["actor"] == f"admin/{key['id']}"


def test_an_entry_names_address_request_and_time(admin: FlaskClient) -> None:
    admin.put("/queues/a", json={}, headers={"X-Request-Id": "mine"}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    (entry,) = entries(admin)
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "actor": "admin",
        "address": "192.0.2.7",
        "action": "queue.configure",
        "target": "a",
        "outcome": "done",
        "detail": "",
        "times": 1,
        "request_id": "mine",
    }


def test_what_failed_to_happen_leaves_no_entry(admin: FlaskClient) -> None:
    admin.delete("/users/admin")
    admin.post("/users", json=NEW | {"username": "producer"})
    admin.delete("/users/nobody-knows")
    assert entries(admin) == []


def test_refused_logins_of_a_minute_address_and_name_are_one_entry(admin: FlaskClient, login: Login) -> None:
    """No name is hidden behind another; all that nobody has are one, for a password may have been typed there."""
    while time.time() % 60 > 55:
        time.sleep(1)
    for name in ("producer", "consumer", "not a name", "nobody-knows", "producer"):
        login(name, "wrong")
    login("producer", PASSWORD)
    told = [(each["actor"], each["target"], each["outcome"], each["times"]) for each in entries(admin, "action=login")]
    assert told == [
        ("producer", "producer", "done", 1),
        ("", "?", "refused", 2),
        ("", "consumer", "refused", 1),
        ("", "producer", "refused", 2),
    ]


def test_filters_and_pages(admin: FlaskClient) -> None:
    for number in range(5):
        admin.put(f"/queues/q{number}", json={})
    assert [entry["target"] for entry in entries(admin, "target=q3")] == ["q3"]
    assert len(entries(admin, "actor=admin&action=queue.configure")) == 5
    assert entries(admin, "after=2999-01-01T00:00:00Z") == []
    assert entries(admin, "before=2000-01-01T00:00:00Z") == []
    first = admin.get("/audit?limit=3&actor=admin").get_json()
    second = admin.get(f"/audit?limit=3&actor=admin&cursor={first['next_cursor']}").get_json()
    assert [entry["target"] for page in (first, second) for entry in page["entries"]] == ["q4", "q3", "q2", "q1", "q0"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    [
        "after=yesterday",
        "after=253402300800",
        "before=253402300800.5",
        "actor=%00",
        "cursor=eA==",
        "cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
    ],
)
def test_a_faulty_filter_is_invalid(admin: FlaskClient, query: str) -> None:
    problem(admin.get(f"/audit?{query}"), 422, "invalid")


def test_no_secret_is_in_it(admin: FlaskClient, login: Login, database: Engine) -> None:
    admin.post("/users", json=NEW)
    login("ann", "a wrong but long password")
    key = admin.post("/keys", json={"name": "k", "permissions": ["push:a"]}).get_json()
    with database.begin() as connection:
        dump = str([connection.execute(select(table)).all() for table in metadata.sorted_tables])
    for secret in (NEW["password"], "a wrong but long password", key["secret"]):
        assert str(secret) not in dump


def test_entries_are_kept_for_as_long_as_the_setting_says(admin: FlaskClient, app: Flask, database: Engine) -> None:
    admin.put("/queues/old", json={})
    older = update(audit).where(audit.c.target == "old").values(at_ms=audit.c.at_ms - 91 * 86_400_000)
    with database.begin() as connection:
        connection.execute(older)
    services_of(app).audit._pruned_ms = 0  # type: ignore[attr-defined]
    admin.put("/queues/new", json={})
    assert [entry["target"] for entry in entries(admin)] == ["new"]
