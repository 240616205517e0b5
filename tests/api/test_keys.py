"""API keys: made once, narrower than their owner, revoked at once."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.conftest import MakeApp, client_of, services_of

NEW = {"name": "worker", "permissions": ["push:orders.*"]}


def make(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/keys", json=NEW | fields)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.get_json()
    return key


def by_key(app: Flask, key: dict[str, Any] | str) -> FlaskClient:
    client = app.test_client()
    credential = key if isinstance(key, str) else key["key"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {credential}"
    return client


def test_a_key_opens_what_it_names_and_no_more(app: Flask, producer: FlaskClient) -> None:
    key = make(producer)
    machine = by_key(app, key)
    assert key["key"] == f"pulpo_{key['id']}_{key['secret']}"
    assert machine.post("/queues/orders.a/push", json={"message": 1}).status_code == 201
    problem(machine.post("/queues/other/push", json={"message": 1}), 403, "forbidden")
    problem(machine.get("/queues/orders.a/count"), 403, "forbidden")
    assert machine.get("/me").get_json() == {
        "username": "producer",
        "roles": [],
        "permissions": ["push:orders.*"],
        "key": key["id"],
    }


def test_a_key_is_listed_without_its_secret_and_with_its_last_use(app: Flask, producer: FlaskClient) -> None:
    key = make(producer, expires_in=3600)
    by_key(app, key).get("/me")
    (listed,) = producer.get("/keys").get_json()["keys"]
    assert listed["last_used_at"].endswith(":00.000Z")
    assert listed == {name: key[name] for name in listed} | {"last_used_at": listed["last_used_at"]}
    assert {"secret", "key"} & listed.keys() == set()


@pytest.mark.parametrize("wider", [["pop:a"], ["push:*", "admin"], ["system"]])
def test_a_key_may_not_do_more_than_its_owner(producer: FlaskClient, wider: list[str]) -> None:
    problem(producer.post("/keys", json=NEW | {"permissions": wider}), 403, "forbidden")


@pytest.mark.parametrize("pattern", ["push:orders.*", "push:orders.a*", "push:orders.x"])
def test_a_narrower_pattern_is_no_more(app: Flask, orders_producer: FlaskClient, pattern: str) -> None:
    make(orders_producer, permissions=[pattern])


@pytest.mark.parametrize("pattern", ["push:*", "push:order*", "push:orders", "push:*.orders.*"])
def test_a_wider_pattern_is_more(orders_producer: FlaskClient, pattern: str) -> None:
    problem(orders_producer.post("/keys", json=NEW | {"permissions": [pattern]}), 403, "forbidden")


def test_a_key_loses_what_its_owner_loses(app: Flask, admin: FlaskClient, producer: FlaskClient) -> None:
    machine = by_key(app, make(producer))
    assert machine.post("/queues/orders.a/push", json={"message": 1}).status_code == 201
    admin.patch("/users/producer", json={"roles": ["viewer"]})
    time.sleep(2.1)
    problem(machine.post("/queues/orders.a/push", json={"message": 1}), 403, "forbidden")


@pytest.mark.parametrize("change", [{"disabled": True}, None])
def test_a_key_goes_with_its_owner(
    app: Flask, admin: FlaskClient, producer: FlaskClient, change: dict[str, object] | None
) -> None:
    machine = by_key(app, make(producer))
    if change is None:
        admin.delete("/users/producer")
    else:
        admin.patch("/users/producer", json=change)
    problem(machine.get("/me"), 401, "unauthenticated")


def test_a_revoked_key_is_refused(app: Flask, producer: FlaskClient) -> None:
    key = make(producer)
    machine = by_key(app, key)
    assert machine.get("/me").status_code == 200
    assert producer.delete(f"/keys/{key['id']}").get_json() == {"id": key["id"]}
    time.sleep(2.1)
    problem(machine.get("/me"), 401, "unauthenticated")
    for gone in (key["id"], "%00", "some"):
        problem(producer.delete(f"/keys/{gone}"), 404, "not-found")


def test_nobody_but_an_admin_touches_the_keys_of_others(
    admin: FlaskClient, producer: FlaskClient, consumer: FlaskClient
) -> None:
    key = make(producer)
    assert consumer.get("/keys?owner=producer").get_json()["keys"] == []
    problem(consumer.delete(f"/keys/{key['id']}"), 404, "not-found")
    assert [each["owner"] for each in admin.get("/keys?owner=producer").get_json()["keys"]] == ["producer"]
    assert [each["owner"] for each in admin.get("/keys").get_json()["keys"]] == ["producer"]
    assert admin.delete(f"/keys/{key['id']}").status_code == 200


def test_a_key_makes_no_keys_and_changes_no_password(app: Flask, admin: FlaskClient) -> None:
    machine = by_key(app, make(admin, permissions=["admin", "push:*"]))
    assert machine.get("/users").status_code == 200
    problem(machine.post("/keys", json=NEW), 403, "forbidden")
    problem(machine.get("/keys"), 403, "forbidden")
    problem(machine.post("/me/password", json={"current": "a", "new": "b"}), 403, "forbidden")
    problem(machine.post("/logout"), 422, "invalid")


def test_a_key_expires(app: Flask, producer: FlaskClient) -> None:
    key = make(producer, expires_in=60)
    assert by_key(app, key).get("/me").status_code == 200
    services = services_of(app)
    services.keys._now = lambda: time.time() + 61
    services.identities._known.clear()
    problem(by_key(app, key).get("/me"), 401, "unauthenticated")


def test_a_key_outlives_a_rotation_of_secrets(settings: Settings, make_app: MakeApp) -> None:
    older, newer = "an older secret of more than 32 characters", "a newer secret of more than 32 characters"

    def app_with(*secrets: str) -> Flask:
        return make_app(replace(settings, secret=Secret(",".join(secrets))))

    key = make(client_of(app_with(older), "producer"))
    assert by_key(app_with(newer, older), key).get("/me").status_code == 200
    problem(by_key(app_with(newer), key).get("/me"), 401, "unauthenticated")


def test_junk_is_no_key(app: Flask, producer: FlaskClient) -> None:
    key = make(producer)
    other = make(producer)
    for junk in (
        "pulpo_",
        "pulpo__",
        f"pulpo_{key['id']}",
        f"pulpo_{key['id']}_",
        f"pulpo_{key['id']}_{other['secret']}",
        f"pulpo_{key['id']}_{key['secret'][:-1]}",
        f"pulpo_{key['id']}_{key['secret']}0",
        f"pulpo_{key['id']}_{'é' * 10}",
        "pulpo_" + "x" * 5000,
        key["secret"],
    ):
        problem(by_key(app, junk.encode().decode("latin-1")).get("/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "faulty",
    [
        {"name": ""},
        {"name": "a\0b"},
        {"name": "x" * 65},
        {"permissions": []},
        {"permissions": ["fly:*"]},
        {"permissions": ["push:a"] * 101},
        {"expires_in": 59},
        {"expires_in": 10**10},
        {"expires_in": "soon"},
        {"colour": "red"},
    ],
)
def test_a_faulty_key_is_invalid(producer: FlaskClient, faulty: dict[str, object]) -> None:
    problem(producer.post("/keys", json=NEW | faulty), 422, "invalid")
    assert producer.get("/keys").get_json()["keys"] == []


def test_a_user_has_a_hundred_keys_at_most(app: Flask, producer: FlaskClient) -> None:
    for _ in range(95):
        make(producer)

    def one_more(_: int) -> int:
        return client_of(app, "producer").post("/keys", json=NEW).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = Counter(pool.map(one_more, range(20)))
    assert statuses == {201: 5, 409: 15}
