"""GET /."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import version


def test_the_card_names_the_service_its_version_and_its_links(client: FlaskClient) -> None:
    card = client.get("/").get_json()
    assert (card["name"], card["status"]) == ("pulpo", "ok")
    assert card["version"]
    assert {"/health", "/login", "/push", "/pop", "/ack", "/count", "/info"} <= set(card["links"].values())


def test_every_link_of_the_card_leads_somewhere(client: FlaskClient) -> None:
    links = client.get("/").get_json()["links"].values()
    assert {client.options(link).status_code for link in links} == {200}


def test_head_of_the_card_is_get_without_a_body(client: FlaskClient) -> None:
    head, get = client.head("/"), client.get("/")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert head.content_type == get.content_type == "application/json"


def test_the_card_answers_even_with_a_token_that_is_junk(client: FlaskClient) -> None:
    assert client.get("/", headers={"Authorization": "Bearer junk"}).status_code == 200


def test_the_commit_is_the_one_that_was_noted_and_nothing_else(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert client.get("/").get_json()["commit"] == version.COMMIT
    monkeypatch.setattr(version, "COMMIT_FILE", tmp_path / "COMMIT")
    assert version.made_of() is None
    for noted, commit in (("0a" * 20 + "\n", "0a" * 20), ("", None), ("not a commit", None), ("é", None)):
        version.COMMIT_FILE.write_text(noted, encoding="utf-8")
        assert version.made_of() == commit
