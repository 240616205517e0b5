"""GET /."""

from __future__ import annotations

from flask.testing import FlaskClient


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
