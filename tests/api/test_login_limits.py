"""Whoever is refused too often waits, longer and longer, and hinders nobody else."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace
from redis import Redis
from werkzeug.test import TestResponse

from app.settings import InvalidSettings, Secret, Settings
from app.web.addresses import TrustedProxies
from tests.api.answers import problem
from tests.conftest import PASSWORD, MakeApp
from tests.redis_server import PrivateRedis


def login(
    client: FlaskClient, username: str, password: str = "wrong", *, address: str = "192.0.2.1", forwarded_for: str = ""
) -> TestResponse:
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    credentials = {"username": username, "password": password}
    return client.post("/login", json=credentials, headers=headers, environ_base={"REMOTE_ADDR": address})


def blocked_after(client: FlaskClient, tries: int, username: str, address: str = "192.0.2.1") -> None:
    for _ in range(tries):
        problem(login(client, username, address=address), 401, "unauthenticated")
    refused = login(client, username, PASSWORD, address=address)
    problem(refused, 429, "rate-limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 61


def test_after_five_slips_the_right_password_waits_too(client: FlaskClient) -> None:
    blocked_after(client, 5, "producer")


def test_others_and_other_addresses_get_in_meanwhile(client: FlaskClient) -> None:
    blocked_after(client, 5, "producer")
    assert login(client, "consumer", PASSWORD).status_code == 200
    assert login(client, "producer", PASSWORD, address="192.0.2.2").status_code == 200


def test_who_gets_in_begins_anew(client: FlaskClient) -> None:
    for _ in range(3):
        for _ in range(4):
            login(client, "producer")
        assert login(client, "producer", PASSWORD).status_code == 200


def test_an_unknown_name_is_treated_alike(client: FlaskClient) -> None:
    blocked_after(client, 5, "nobody-knows")


def test_an_address_that_tries_many_names_waits(client: FlaskClient) -> None:
    for number in range(30):
        login(client, f"name-{number}")
    problem(login(client, "producer", PASSWORD), 429, "rate-limited")
    assert login(client, "producer", PASSWORD, address="192.0.2.2").status_code == 200


def test_a_name_that_is_tried_from_many_addresses_waits(client: FlaskClient) -> None:
    for number in range(20):
        login(client, "producer", address=f"198.51.100.{number}")
    problem(login(client, "producer", PASSWORD, address="192.0.2.2"), 429, "rate-limited")


def test_a_name_under_attack_gets_in_where_it_did_before(client: FlaskClient) -> None:
    assert login(client, "producer", PASSWORD).status_code == 200
    for number in range(20):
        login(client, "producer", address=f"198.51.100.{number}")
    problem(login(client, "producer", PASSWORD, address="192.0.2.2"), 429, "rate-limited")
    assert login(client, "producer", PASSWORD).status_code == 200


def test_ipv4_callers_of_an_ipv6_socket_are_not_one_network(client: FlaskClient) -> None:
    for _ in range(5):
        login(client, "producer", address="::ffff:192.0.2.1")
    problem(login(client, "producer", PASSWORD, address="192.0.2.1"), 429, "rate-limited")
    assert login(client, "producer", PASSWORD, address="::ffff:192.0.2.2").status_code == 200


def test_tries_at_one_time_do_not_go_past_the_limit(app: Flask) -> None:
    def wrong(_: int) -> int:
        return login(app.test_client(), "producer").status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = Counter(pool.map(wrong, range(40)))
    assert statuses[401] <= 5
    assert statuses[401] + statuses[429] == 40


def test_no_name_stands_in_redis(client: FlaskClient, redis_client: Redis) -> None:
    login(client, "a-password-typed-there")
    assert [key for key in redis_client.keys("*") if b"typed" in key] == []


def test_the_addresses_of_an_ipv6_network_are_one(client: FlaskClient) -> None:
    for number in range(5):
        login(client, "producer", address=f"2001:db8::{number:x}")
    problem(login(client, "producer", PASSWORD, address="2001:db8::ffff"), 429, "rate-limited")
    assert login(client, "producer", PASSWORD, address="2001:db8:0:1::1").status_code == 200


def test_ones_own_password_is_guarded_alike(producer: FlaskClient) -> None:
    wrong = {"current": "wrong", "new": "another long password"}
    for _ in range(5):
        problem(producer.post("/me/password", json=wrong), 403, "forbidden")
    problem(producer.post("/me/password", json=wrong | {"current": PASSWORD}), 429, "rate-limited")


def test_a_forged_header_makes_nobody_another(client: FlaskClient) -> None:
    for number in range(5):
        login(client, "producer", forwarded_for=f"198.51.100.{number}")
    problem(login(client, "producer", PASSWORD, forwarded_for="198.51.100.9"), 429, "rate-limited")


def test_behind_a_trusted_proxy_each_client_counts_alone(settings: Settings, make_app: MakeApp) -> None:
    client = make_app(replace(settings, trusted_proxies="192.0.2.0/24")).test_client()
    for _ in range(5):
        login(client, "producer", forwarded_for="203.0.113.7, 198.51.100.1")
    problem(login(client, "producer", PASSWORD, forwarded_for="203.0.113.8, 198.51.100.1"), 429, "rate-limited")
    assert login(client, "producer", PASSWORD, forwarded_for="198.51.100.2").status_code == 200


def test_the_limits_hold_while_redis_is_down(settings: Settings, make_app: MakeApp) -> None:
    with PrivateRedis() as redis:
        app = make_app(replace(settings, redis_url=Secret(redis.url)))
    blocked_after(app.test_client(), 5, "producer")


def test_every_node_sees_the_same_counters(settings: Settings, make_app: MakeApp, redis_client: Redis) -> None:
    for _ in range(5):
        login(make_app(settings).test_client(), "producer")
    problem(login(make_app(settings).test_client(), "producer", PASSWORD), 429, "rate-limited")
    assert 0 < max(redis_client.ttl(key) for key in redis_client.keys("pulpo:logins:*")) <= 86_400


def test_the_audit_log_tells_when_somebody_had_to_wait(client: FlaskClient, admin: FlaskClient) -> None:
    blocked_after(client, 5, "producer")
    (entry, *_) = admin.get("/audit?action=login").get_json()["entries"]
    assert entry["detail"].startswith("the next may come in ")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
        ("::ffff:10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "fe80::1%" + "a" * 300, "fe80::1"),
        ("", "1.2.3.4", ""),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(peer: str, forwarded_for: str, address: str) -> None:
    settings = Settings(trusted_proxies="10.0.0.0/8")
    assert TrustedProxies(settings.proxy_networks).client_address(peer, forwarded_for) == address


def test_a_network_that_is_none_is_a_faulty_setting() -> None:
    environ = {"PULPO_SECRET": "x" * 32, "PULPO_TRUSTED_PROXIES": "10.0.0.0/8, proxy"}
    with pytest.raises(InvalidSettings, match="PULPO_TRUSTED_PROXIES: 'proxy'"):
        Settings.from_env(environ)
