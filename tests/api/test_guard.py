"""Who may call what: every route declares it, and none can be called without."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from app.web.guard import NEEDS, OPEN, guard
from tests.api.answers import JSON, problem
from tests.conftest import Bearer, client_of

NO_ID = "00000000-0000-7000-8000-000000000000"
OPEN_ROUTES = {
    *("GET /", "GET /health", "GET /health/live", "POST /login", "GET /.well-known/jwks.json"),
    *("GET /openapi.json", "GET /docs", "GET /docs/some", "GET /problems/some"),
    *("GET /console", "GET /console/some"),
}


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Method, path and endpoint of each route."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, re.sub("<.*?>", "some", rule.rule.replace("<uuid:message_id>", NO_ID)), rule.endpoint


def test_every_route_declares_who_may_call_it(app: Flask) -> None:
    assert [path for _, path, endpoint in routes(app) if not hasattr(app.view_functions[endpoint], NEEDS)] == []


def test_only_these_routes_are_open(app: Flask) -> None:
    is_open = {
        f"{method} {path}"
        for method, path, endpoint in routes(app)
        if getattr(app.view_functions[endpoint], NEEDS) == OPEN
    }
    assert is_open == OPEN_ROUTES


def test_every_other_route_refuses_a_call_without_a_token(app: Flask, client: FlaskClient) -> None:
    guarded = [(method, path) for method, path, _ in routes(app) if f"{method} {path}" not in OPEN_ROUTES]
    assert len(guarded) >= 10
    for method, path in guarded:
        answer = client.open(path, method=method)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_refuses_a_head_without_a_token_where_it_refuses_get(app: Flask, client: FlaskClient) -> None:
    for method, path, _ in routes(app):
        if method == "GET":
            assert client.head(path).status_code == client.get(path).status_code


def test_a_user_without_any_permission_is_refused_by_every_route_that_names_one(app: Flask) -> None:
    called = [(method, path) for method, path, _ in routes(app)]
    # A token each, for one of the routes is /logout.
    refused = {path for method, path in called if client_of(app, "nobody").open(path, method=method).status_code == 403}
    assert refused == {
        "/info",
        "/metrics",
        "/users",
        "/users/some",
        "/audit",
        "/queues/some",
        "/queues/some/dead",
        f"/queues/some/dead/{NO_ID}",
        "/queues/some/redrive",
        "/queues/some/messages",
        "/queues/some/purge",
        "/queues/some/pause",
        "/queues/some/resume",
        "/push",
        "/queues/some/push",
        "/pop",
        "/queues/some/pop",
        "/count",
        "/queues/some/count",
    }


def test_an_app_with_a_view_that_declares_nothing_does_not_start() -> None:
    app = Flask("careless")
    app.add_url_rule("/", view_func=lambda: "hello")
    with pytest.raises(RuntimeError, match="lambda"):
        guard(app)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRtaW46YWRtaW4=",
        "{token}",
        "Token {token}",
        "Bearer{token}",
        "Bearer a, {token}",
    ],
)
def test_what_is_no_bearer_token_is_refused(client: FlaskClient, bearer: Bearer, header: str) -> None:
    token = bearer("admin")["Authorization"].removeprefix("Bearer ")
    answer = client.get("/me", headers={"Authorization": header.replace("{token}", token)})
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_spelt_in_any_case(client: FlaskClient, bearer: Bearer, scheme: str) -> None:
    token = bearer("viewer")["Authorization"].removeprefix("Bearer ")
    assert client.get("/me", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization"])
def test_a_token_in_the_query_is_never_taken(client: FlaskClient, bearer: Bearer, name: str) -> None:
    token = bearer("admin")["Authorization"].removeprefix("Bearer ")
    problem(client.get(f"/count?{name}={token}"), 401, "unauthenticated")


def test_a_token_in_a_form_is_never_taken(client: FlaskClient, bearer: Bearer) -> None:
    token = bearer("admin")["Authorization"].removeprefix("Bearer ")
    problem(client.post("/pop", data={"access_token": token}), 401, "unauthenticated")


def test_a_producer_pushes_and_counts_and_does_not_pop(producer: FlaskClient) -> None:
    assert producer.post("/push", json={"message": 1}).status_code == 201
    assert producer.get("/count").status_code == 200
    assert "pop:default" in problem(producer.post("/pop"), 403, "forbidden")["detail"]


def test_a_consumer_pops_and_counts_and_does_not_push(consumer: FlaskClient, redis_client: Redis) -> None:
    assert consumer.post("/pop").status_code == 200
    assert consumer.get("/count").status_code == 200
    body = problem(consumer.post("/push", json={"message": 1}), 403, "forbidden")
    assert "push:default" in body["detail"]
    assert redis_client.keys() == []


def test_a_viewer_counts_and_sees_the_system_and_touches_no_message(viewer: FlaskClient) -> None:
    assert viewer.get("/count").status_code == 200
    assert viewer.get("/info").status_code == 200
    problem(viewer.post("/push", json={"message": 1}), 403, "forbidden")
    problem(viewer.post("/pop"), 403, "forbidden")


@pytest.mark.parametrize("queue", ["orders.eu", "orders.a.b", "orders."])
def test_a_pattern_fits_the_queues_it_names(orders_producer: FlaskClient, queue: str) -> None:
    assert orders_producer.post(f"/queues/{queue}/push", json={"message": 1}).status_code == 201


@pytest.mark.parametrize("queue", ["orders", "ordersXeu", "orders-eu", "my.orders.eu", "Orders.eu", "default"])
def test_a_pattern_fits_no_other_queue(orders_producer: FlaskClient, redis_client: Redis, queue: str) -> None:
    body = problem(orders_producer.post(f"/queues/{queue}/push", json={"message": 1}), 403, "forbidden")
    assert f"push:{queue}" in body["detail"]
    assert redis_client.keys() == []


def test_a_pattern_fits_the_queue_default_only_if_it_names_it(orders_producer: FlaskClient) -> None:
    assert "push:default" in problem(orders_producer.post("/push", json={"message": 1}), 403, "forbidden")["detail"]


def test_a_permission_to_push_is_none_to_count(orders_producer: FlaskClient) -> None:
    problem(orders_producer.get("/queues/orders.eu/count"), 403, "forbidden")


@pytest.mark.parametrize("path", ["/nowhere", "/push/", "/queues/", "/queues/a/b/push", "/queues//push", "/Push"])
def test_an_unknown_path_is_not_found_before_anyone_asks_for_a_token(client: FlaskClient, path: str) -> None:
    problem(client.post(path, data=b"{", content_type=JSON), 404, "not-found")


def test_a_wrong_method_is_refused_before_anyone_asks_for_a_token(client: FlaskClient) -> None:
    problem(client.get("/push"), 405, "method-not-allowed")


def test_a_missing_token_is_told_before_a_faulty_body(client: FlaskClient) -> None:
    problem(client.post("/push", data=b"{", content_type=JSON), 401, "unauthenticated")


def test_a_missing_permission_is_told_before_a_faulty_body(consumer: FlaskClient) -> None:
    problem(consumer.post("/push", data=b"{", content_type=JSON), 403, "forbidden")


def test_a_missing_permission_is_told_before_a_body_too_large(consumer: FlaskClient) -> None:
    answer = consumer.post("/push", data=b"", environ_overrides={"CONTENT_LENGTH": "16777217"})
    problem(answer, 403, "forbidden")


def test_a_missing_permission_is_told_before_a_bad_queue_name(orders_producer: FlaskClient) -> None:
    problem(orders_producer.post("/queues/-bad/push", json={"message": 1}), 403, "forbidden")


def test_a_faulty_body_is_told_before_a_message_that_is_gone(consumer: FlaskClient) -> None:
    problem(consumer.post("/ack?x=1", json={"receipt": "A" * 43 + ".default"}), 422, "invalid")
