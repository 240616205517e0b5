"""The operator's commands, as flask --app wsgi runs them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    """Runs a command, given its words, and answers what it wrote."""
    runner = app.test_cli_runner()
    return lambda *words, **more: runner.invoke(args=list(words), **more)


def push(client: FlaskClient, queue: str, *bodies: object) -> None:
    messages = [{"message": body} for body in bodies]
    assert client.post(f"/queues/{queue}/push", json={"messages": messages}).status_code == 201


def bury(client: FlaskClient, queue: str, count: int) -> None:
    push(client, queue, *range(count))
    taken = client.post(f"/queues/{queue}/pop", json={"max": count, "lease": 30}).get_json()["messages"]
    for item in taken:
        client.post("/nack", json={"receipt": item["receipt"], "dead": True})


def test_queues_are_listed_as_a_table_or_as_json(run: Run, admin: FlaskClient) -> None:
    assert run("queues", "list").output == "There are none.\n"
    push(admin, "a", 1, 2)
    push(admin, "b", 3)
    lines = run("queues", "list").output.splitlines()
    assert [line.split()[:2] for line in lines] == [["queue", "ready"], ["-------", "-------"], ["a", "2"], ["b", "1"]]
    assert [(row["queue"], row["ready"]) for row in json.loads(run("queues", "list", "--json").output)] == [
        ("a", 2),
        ("b", 1),
    ]


def test_all_there_is_to_say_of_a_queue_is_shown(run: Run, admin: FlaskClient) -> None:
    push(admin, "a", 1)
    run("queues", "pause", "a", "--operation", "pop")
    rows = {(row["of"], row["name"]): row["value"] for row in json.loads(run("queues", "show", "a", "--json").output)}
    assert (rows["counts", "ready"], rows["totals", "pushed"], rows["settings", "lease"]) == (1, 1, 30.0)
    assert (rows["backoff", "max"], rows["now", "paused"]) == (300.0, ["pop"])
    assert "max_attempts" in run("queues", "show", "a").output


def test_a_queue_is_paused_and_resumed(run: Run, admin: FlaskClient) -> None:
    push(admin, "a", 1)
    assert run("queues", "pause", "a").output == "Paused a.\n"
    assert admin.post("/queues/a/push", json={"message": 2}).status_code == 409
    assert run("queues", "resume", "a").output == "Resumed a.\n"
    assert admin.post("/queues/a/push", json={"message": 2}).status_code == 201


def test_a_purge_asks_before_it_empties(run: Run, admin: FlaskClient) -> None:
    push(admin, "a", *range(1000))
    push(admin, "a", *range(500))
    assert run("queues", "purge", "a", input="n\n").exit_code == 1
    assert admin.get("/queues/a/count").get_json()["count"] == 1500
    assert "1500 messages are gone." in run("queues", "purge", "a", "--state", "ready", input="y\n").output
    assert admin.get("/queues/a/count").get_json()["count"] == 0


def test_dead_letters_are_given_back(run: Run, admin: FlaskClient) -> None:
    bury(admin, "a", 3)
    assert "0 messages" in run("queues", "redrive", "a", "--reason", "expired").output
    assert "3 messages are back in a." in run("queues", "redrive", "a").output
    assert admin.get("/queues/a/count").get_json()["count"] == 3


def test_a_queue_is_deleted(run: Run, admin: FlaskClient) -> None:
    push(admin, "a", 1)
    assert run("queues", "delete", "a", "--yes").output == "Deleted a.\n"
    refused = run("queues", "delete", "a", "--yes")
    assert (refused.exit_code, "There is no queue a" in refused.output) == (1, True)


def test_what_a_command_does_is_in_the_audit_log(run: Run, admin: FlaskClient) -> None:
    push(admin, "a", 1)
    run("queues", "delete", "a", "--yes")
    newest = admin.get("/audit?limit=1").get_json()["entries"][0]
    assert (newest["actor"], newest["action"], newest["target"]) == ("cli", "queue.delete", "a")


def test_keys_are_listed_without_their_secrets_and_revoked(run: Run, admin: FlaskClient) -> None:
    made = admin.post("/keys", json={"name": "billing", "permissions": ["push:a"]}).get_json()
    (listed,) = json.loads(run("keys", "list", "--json").output)
    assert (listed["id"], listed["owner"], listed["permissions"]) == (made["id"], "admin", ["push:a"])
    assert made["secret"] not in run("keys", "list").output
    assert run("keys", "list", "--owner", "viewer").output == "There are none.\n"
    assert run("keys", "revoke", made["id"]).output == f"Revoked {made['id']}.\n"
    assert run("keys", "revoke", made["id"]).exit_code == 1


def test_users_are_listed_as_a_table_or_as_json(run: Run) -> None:
    rows = {row["username"]: row for row in json.loads(run("users", "list", "--json").output)}
    assert rows["viewer"] == {"username": "viewer", "state": "enabled", "roles": ["viewer"], "permissions": []}
    assert "push:orders.*" in run("users", "list").output
