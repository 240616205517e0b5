"""The user table over HTTP, one's own password, and the last admin."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.errors import Conflict
from app.web.context import Services
from tests.api.answers import problem
from tests.conftest import ACCOUNTS, BY, PASSWORD, Login, client_of, services_of

NEW = {"username": "ann", "password": "a long enough password", "roles": ["consumer"], "permissions": ["push:orders.*"]}
SHOWN = {"username": "ann", "roles": ["consumer"], "permissions": ["push:orders.*"], "disabled": False}


def test_the_life_of_a_user(admin: FlaskClient, login: Login) -> None:
    made = admin.post("/users", json=NEW)
    assert (made.status_code, made.get_json()) == (201, SHOWN)
    assert admin.get("/users/ann").get_json() == SHOWN
    assert login("ann", NEW["password"]).status_code == 200  # type: ignore[arg-type]
    changed = admin.patch("/users/ann", json={"roles": [], "disabled": True})
    assert changed.get_json() == SHOWN | {"roles": [], "disabled": True}
    problem(login("ann", NEW["password"]), 401, "unauthenticated")  # type: ignore[arg-type]
    assert admin.delete("/users/ann").status_code == 200
    problem(admin.get("/users/ann"), 404, "not-found")
    problem(admin.delete("/users/ann"), 404, "not-found")
    problem(admin.patch("/users/ann", json={"disabled": False}), 404, "not-found")


def test_a_list_has_pages(admin: FlaskClient) -> None:
    first = admin.get("/users?limit=4").get_json()
    second = admin.get(f"/users?limit=4&cursor={first['next_cursor']}").get_json()
    names = [user["username"] for page in (first, second) for user in page["users"]]
    assert (names, second["next_cursor"]) == (sorted(ACCOUNTS), None)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=%25", "cursor=gA==", "colour=red"])
def test_a_bad_page_is_invalid(admin: FlaskClient, query: str) -> None:
    for path in ("/users", "/keys", "/audit"):
        problem(admin.get(f"{path}?{query}"), 422, "invalid")


@pytest.mark.parametrize(
    "faulty",
    [
        {"username": "no spaces"},
        {"username": "x" * 65},
        {"username": ""},
        {"password": "short"},
        {"password": "x" * 1025},
        {"roles": ["king"]},
        {"roles": "admin"},
        {"permissions": ["fly:*"]},
        {"permissions": ["push:" + "x" * 100]},
        {"permissions": ["push:a"] * 101},
        {"colour": "red"},
    ],
)
def test_a_faulty_user_is_invalid_and_not_made(admin: FlaskClient, faulty: dict[str, object]) -> None:
    problem(admin.post("/users", json=NEW | faulty), 422, "invalid")
    problem(admin.get("/users/ann"), 404, "not-found")


@pytest.mark.parametrize("faulty", [{"password": "short"}, {"roles": ["king"]}, {"disabled": 1}, {"username": "bob"}])
def test_a_faulty_change_is_invalid_and_changes_nothing(admin: FlaskClient, faulty: dict[str, object]) -> None:
    before = admin.get("/users/producer").get_json()
    problem(admin.patch("/users/producer", json=faulty), 422, "invalid")
    assert admin.get("/users/producer").get_json() == before


def test_a_name_that_is_taken_is_a_conflict(admin: FlaskClient) -> None:
    problem(admin.post("/users", json=NEW | {"username": "producer"}), 409, "conflict")


@pytest.mark.parametrize("change", [{"disabled": True}, {"roles": []}])
def test_the_last_admin_stays(admin: FlaskClient, change: dict[str, object]) -> None:
    problem(admin.patch("/users/admin", json=change), 409, "conflict")
    problem(admin.delete("/users/admin"), 409, "conflict")
    assert admin.get("/users/admin").get_json() == {
        "username": "admin",
        "roles": ["admin"],
        "permissions": [],
        "disabled": False,
    }


def test_two_admins_cannot_take_each_other_away_at_once(app: Flask) -> None:
    services = services_of(app)
    left = "admin"
    for number in range(5):
        other = f"admin-{number}"
        services.accounts.add(other, PASSWORD, roles=("admin",), permissions=(), by=BY)
        with ThreadPoolExecutor() as pool:
            removals = [pool.submit(is_refused, services, name) for name in (left, other)]
            assert sorted(removal.result() for removal in removals) == [False, True]
        (left,) = [account.username for account in services.accounts.all() if "admin" in account.roles]


def is_refused(services: Services, name: str) -> bool:
    try:
        services.accounts.remove(name, by=BY)
    except Conflict:
        return True
    return False


def test_changed_permissions_hold_without_a_new_login(admin: FlaskClient, app: Flask) -> None:
    producer = client_of(app, "producer")
    assert producer.post("/push", json={"message": 1}).status_code == 201
    admin.patch("/users/producer", json={"roles": ["viewer"]})
    time.sleep(2.1)
    problem(producer.post("/push", json={"message": 1}), 403, "forbidden")
    assert producer.get("/count").status_code == 200


def test_one_changes_ones_own_password(app: Flask, login: Login) -> None:
    producer = client_of(app, "producer")
    problem(producer.post("/me/password", json={"current": "wrong", "new": "another long password"}), 403, "forbidden")
    problem(producer.post("/me/password", json={"current": PASSWORD, "new": "short"}), 422, "invalid")
    assert producer.post("/me/password", json={"current": PASSWORD, "new": "another long password"}).status_code == 200
    problem(login("producer", PASSWORD), 401, "unauthenticated")
    assert login("producer", "another long password").status_code == 200


def test_a_demoted_admin_does_not_promote_themself_again(app: Flask, admin: FlaskClient) -> None:
    """Though their token was looked up a moment ago and may be trusted for 2 s."""
    admin.patch("/users/producer", json={"roles": ["admin"]})
    demoted = client_of(app, "producer")
    assert demoted.get("/users").status_code == 200
    admin.patch("/users/producer", json={"roles": []})
    problem(demoted.patch("/users/producer", json={"roles": ["admin"]}), 403, "forbidden")


@pytest.mark.parametrize("change", [{"password": "another long password"}, {"disabled": True}, None])
def test_a_token_that_is_over_makes_no_key(app: Flask, admin: FlaskClient, change: dict[str, object] | None) -> None:
    producer = client_of(app, "producer")
    assert producer.get("/me").status_code == 200
    if change is None:
        producer.post("/logout")
    else:
        admin.patch("/users/producer", json=change)
    problem(producer.post("/keys", json={"name": "k", "permissions": ["push:*"]}), 401, "unauthenticated")


def test_one_of_the_same_name_inherits_nothing(app: Flask, admin: FlaskClient) -> None:
    old = client_of(app, "producer")
    assert old.get("/me").status_code == 200
    admin.delete("/users/producer")
    admin.post("/users", json=NEW | {"username": "producer"})
    problem(old.post("/keys", json={"name": "k", "permissions": ["push:*"]}), 401, "unauthenticated")
    assert admin.get("/keys?owner=producer").get_json()["keys"] == []


@pytest.mark.parametrize("path", ["/users/%00", "/users/no%20name"])
def test_what_is_no_name_is_nobody(admin: FlaskClient, path: str) -> None:
    for method in ("GET", "DELETE"):
        problem(admin.open(path, method=method), 404, "not-found")
    problem(admin.patch(path, json={"disabled": True}), 404, "not-found")
