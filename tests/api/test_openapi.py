"""The OpenAPI document, the page that shows it, and what an error means."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from app.web.guard import NEEDS, OPEN
from app.web.problems import KINDS
from tests.api.answers import problem
from tests.conftest import PASSWORD


def test_the_document_is_valid(client: FlaskClient) -> None:
    validate(client.get("/openapi.json").get_json())


def test_every_route_stands_in_it_with_its_permission(app: Flask, client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    described = {(path, method) for path, operations in paths.items() for method in operations}
    there = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        needs = getattr(app.view_functions[rule.endpoint], NEEDS)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            there.add((path, method.lower()))
            assert paths[path][method.lower()].get("x-permission", OPEN) == needs
    assert described == there


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["responses"] for operation in operations)


@pytest.mark.parametrize("code", sorted({kind.code for kind in KINDS.values()} | {"internal", "method-not-allowed"}))
def test_every_error_is_explained(client: FlaskClient, code: str) -> None:
    answer = client.get(f"/problems/{code}")
    assert (answer.status_code, answer.get_json()["code"]) == (200, code)
    assert answer.get_json()["meaning"].endswith(".")


def test_every_error_of_a_route_stands_in_the_document(client: FlaskClient) -> None:
    described = client.get("/openapi.json").text
    assert [kind.code for kind in KINDS.values() if f'"{kind.code}"' not in described] == []


def test_what_is_no_error_has_no_meaning(client: FlaskClient) -> None:
    problem(client.get("/problems/none"), 404, "not-found")


def test_the_page_needs_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 4
    for part in parts:
        assert client.get(f"/{part}").status_code == 200
    assert "://" not in page.text


def test_nothing_but_its_parts_is_served(client: FlaskClient) -> None:
    for name in ("none", "index.html", "..%2f..%2fsettings.py", "swagger-ui.css.map"):
        problem(client.get(f"/docs/{name}"), 404, "not-found")


def test_the_page_logs_in_as_oauth_clients_do(client: FlaskClient) -> None:
    form = {"grant_type": "password", "username": "viewer", "password": PASSWORD, "scope": "", "client_id": "docs"}
    assert client.post("/login", data=form).get_json()["token_type"] == "Bearer"
