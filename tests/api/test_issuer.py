"""Tokens and logins of an OpenID Connect issuer, through both doors."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.errors import IdentityUnavailable
from app.providers import jwks
from app.providers.https import Https
from app.providers.jwks import PAUSE_SECONDS, STALE_SECONDS, Jwks
from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.conftest import PASSWORD, MakeApp, client_of
from tests.issuer import AUDIENCE, CLIENT, SECRET, USERS, Issuer, Key, issuing

ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
STAFF = ("push:*", "pop:*", "count:*")
IN_2100 = 4_102_444_800  # written out, since it is part of the name of a test


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def settings(settings: Settings, issuer: Issuer) -> Settings:
    return replace(
        settings,
        identity="oidc",
        oidc_issuer=issuer.url,
        identity_audience=AUDIENCE,
        identity_clients=f"{CLIENT}, robot",
        identity_client_secret=Secret(SECRET),
        identity_groups='{"staff": ["push:*", "pop:*", "count:*"], "bosses": ["admin"]}',
        identity_scopes='{"orders/write": ["push:orders.*"], "orders/read": ["consumer"]}',
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def push(client: FlaskClient, token: str, queue: str = "default") -> Any:
    return client.post(f"/queues/{queue}/push", json={"message": 1}, headers=bearer(token))


def login(client: FlaskClient, username: str, password: str) -> Any:
    return client.post("/login", json={"username": username, "password": password})


def logins(app: Flask) -> list[tuple[str, str, str, str, int]]:
    entries = client_of(app, "admin").get("/audit?action=login").get_json()["entries"]
    return [tuple(entry[name] for name in ("actor", "target", "outcome", "detail", "times")) for entry in entries]


def test_a_token_of_the_issuer_opens_both_doors(client: FlaskClient, issuer: Issuer) -> None:
    token = issuer.token()
    assert push(client, token).status_code == 201
    assert client.post("/pop", headers=bearer(token)).get_json()["message"] == 1
    assert client.post("/pop?wait=0", headers=bearer(token)).status_code == 200
    me = client.get("/me", headers=bearer(token)).get_json()
    assert me == {"username": "oidc:0-ada", "roles": [], "permissions": list(STAFF)}
    problem(client.get("/users", headers=bearer(token)), 403, "forbidden")


def test_the_keys_are_fetched_once_for_many_tokens(client: FlaskClient, issuer: Issuer) -> None:
    for number in range(20):
        assert push(client, issuer.token(jti=str(number))).status_code == 201
    assert issuer.asked["/keys"] == issuer.asked["/.well-known/openid-configuration"] == 1


def test_a_machine_may_do_what_its_scopes_say(client: FlaskClient, issuer: Issuer) -> None:
    token = issuer.token(sub="robot", client_id="robot", aud=None, groups=None, scope="openid orders/write")
    assert push(client, token, "orders.eu").status_code == 201
    problem(push(client, token), 403, "forbidden")
    token = issuer.token(sub="robot", azp="robot", aud=None, groups=None, scp=["orders/read"])
    assert client.get("/me", headers=bearer(token)).get_json()["roles"] == ["consumer"]


def test_a_group_of_bosses_makes_an_admin(client: FlaskClient, issuer: Issuer) -> None:
    assert client.get("/users", headers=bearer(issuer.token(groups=["bosses"]))).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"nbf": IN_2100},
        {"iss": "https://elsewhere.example"},
        {"aud": "https://another.example"},
        {"aud": CLIENT},
        {"aud": None},
        {"aud": None, "client_id": "a-stranger"},
        {"aud": "https://another.example", "client_id": CLIENT},
        {"token_use": "id"},
        {"typ": "ID"},
        {"nonce": "1"},
        {"at_hash": "1"},
        {"sub": 5},
        {"exp": 10**400},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_pulpo_or_no_access_token_is_refused(
    client: FlaskClient, issuer: Issuer, changed: dict[str, Any]
) -> None:
    problem(push(client, issuer.token(**changed)), 401, "unauthenticated")


def test_a_token_that_the_issuer_did_not_sign_is_refused(client: FlaskClient, issuer: Issuer) -> None:
    good = issuer.token()
    claims = jwt.decode(good, options={"verify_signature": False})
    public = issuer.keys[0].private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    forged = [
        issuer.token(Key("first")),
        issuer.token(Key("unknown")),
        jwt.encode(claims, public, "HS256", headers={"kid": "first"}),
        jwt.encode(claims, "", "none", headers={"kid": "first"}),
        good[:-4] + "AAAA",
        good + "=",
        f"{good}.",
        "a.b.c",
        "e30.e30.",
    ]
    for token in forged:
        problem(push(client, token), 401, "unauthenticated")
    assert push(client, good).status_code == 201


def test_a_new_key_is_found_and_one_that_was_withdrawn_forgotten(issuer: Issuer) -> None:
    clock = [0.0]
    keys = Jwks(lambda: Https().get(f"{issuer.url}/keys"), now=lambda: clock[0])
    assert keys.key("first") is not None
    issuer.keys = [Key("second")]
    clock[0] += PAUSE_SECONDS
    assert keys.key("second") is not None
    assert keys.key("first") is None
    assert keys.key(None) is not None  # the only one there is


def test_keys_outlive_an_outage_of_an_hour_and_no_longer(issuer: Issuer) -> None:
    clock = [0.0]
    keys = Jwks(lambda: Https().get(f"{issuer.url}/keys"), now=lambda: clock[0])
    assert keys.key("first") is not None
    issuer.answers["/keys"] = (500, {}, {})
    clock[0] = STALE_SECONDS
    assert keys.key("first") is not None
    clock[0] += 1
    with pytest.raises(IdentityUnavailable):
        keys.key("first")


def test_a_flood_of_unknown_keys_asks_the_issuer_once(
    client: FlaskClient, issuer: Issuer, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push(client, issuer.token()).status_code == 201
    monkeypatch.setattr(jwks, "PAUSE_SECONDS", 3600)
    services = app.extensions["pulpo"]
    services.identities._provider._keys._next_fetch = 0.0  # the pause after the first fetch is over
    tokens = [issuer.token(Key(f"unknown-{number}")) for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda token: push(app.test_client(), token).status_code, tokens))
    assert set(statuses) == {401}
    assert issuer.asked["/keys"] == 2
    assert push(client, issuer.token(jti="1")).status_code == 201


def test_an_issuer_that_is_down_is_503_and_not_401(client: FlaskClient, issuer: Issuer) -> None:
    issuer.answers["/keys"] = (502, {}, {})
    for _ in range(3):
        answer = push(client, issuer.token())
        problem(answer, 503, "identity-unavailable")
        assert answer.headers["Retry-After"] == "5"
    assert issuer.asked["/keys"] == 1


def test_a_silent_issuer_that_never_answered_holds_one_thread_and_not_all(
    client: FlaskClient, issuer: Issuer, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "PAUSE_SECONDS", 0)
    issuer.silent.add("/keys")
    problem(push(client, issuer.token()), 503, "identity-unavailable")

    def seconds(token: str) -> float:
        began = time.monotonic()
        problem(push(app.test_client(), token), 503, "identity-unavailable")
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as threads:
        waits = sorted(threads.map(seconds, [issuer.token(jti=str(number)) for number in range(8)]))
    assert waits[-2] < 2 < waits[-1]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", (302, {}, {"Location": "/moved"})),
        ("/keys", (200, ["no", "object"], {})),
        ("/keys", (200, {"keys": "none"}, {})),
        ("/.well-known/openid-configuration", (200, {"issuer": "https://elsewhere.example"}, {})),
        ("/.well-known/openid-configuration", (200, {}, {})),
        ("/token", (302, {}, {"Location": "/moved"})),
        ("/token", (200, {"access_token": "opaque"}, {})),
        ("/token", (401, {"error": "invalid_client"}, {})),
        ("/token", (429, {}, {})),
    ],
    ids=str,
)
def test_an_issuer_that_answers_nonsense_is_503(client: FlaskClient, issuer: Issuer, path: str, answer: Any) -> None:
    issuer.answers[path] = answer
    problem(login(client, "ada", USERS["ada"]), 503, "identity-unavailable")
    assert issuer.asked["/moved"] == 0


def test_a_discovery_that_leads_to_an_unprotected_address_is_not_followed(client: FlaskClient, issuer: Issuer) -> None:
    issuer.discovery["jwks_uri"] = f"http://0.0.0.0:{issuer.server_port}/keys"  # not called this machine's
    problem(push(client, issuer.token()), 503, "identity-unavailable")
    assert issuer.asked["/keys"] == 0


def test_a_silent_issuer_costs_a_login_some_seconds_and_no_more(client: FlaskClient, issuer: Issuer) -> None:
    issuer.silent.add("/token")
    began = time.monotonic()
    problem(login(client, "ada", USERS["ada"]), 503, "identity-unavailable")
    assert 2.5 < time.monotonic() - began < 6


def test_keys_that_are_nonsense_or_weak_are_left_out() -> None:
    rsa = {"kty": "RSA", "n": "gQ" * 180, "e": "AQAB"}
    assert list(jwks.usable({"keys": [rsa | {"kid": "good"}]})) == ["good"]
    weird = [rsa | {"alg": "none"}, rsa | {"kid": ["a"]}, rsa | {"kid": 5}, rsa | {"use": ["sig"]}]
    assert jwks.usable({"keys": [1, {}, {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, {"kty": "RSA"}, *weird]}) == {}


def test_a_login_by_password_answers_the_issuers_token(client: FlaskClient, app: Flask) -> None:
    answer = login(client, "ada", USERS["ada"]).get_json()
    assert 290 < answer["expires_in"] <= 300
    assert push(client, answer["access_token"]).status_code == 201
    assert logins(app)[0] == ("oidc:0-ada", "oidc:0-ada", "done", "let in by oidc", 1)


def test_refusals_are_alike_and_the_audit_log_knows_why(client: FlaskClient, app: Flask) -> None:
    tries = [("ada", "wrong"), ("nobody-here", "wrong"), ("*)(uid=*", "wrong"), ("ada", ""), ("admin", "wrong")]
    details = {problem(login(client, *each), 401, "unauthenticated")["detail"] for each in tries}
    assert len(details) == 1
    assert "is taken as Bearer" in details.pop()
    assert ("", "?", "refused", "oidc: no such name or password can be", 4) in logins(app)  # the last of the minute
    problem(login(client, "ada", "wrong"), 401, "unauthenticated")
    assert ("", "?", "refused", "oidc: it refuses the name or the password", 5) in logins(app)
    assert "wrong" not in str(logins(app))


def test_an_issuer_that_takes_no_passwords_is_told_to_nobody_but_the_audit_log(
    client: FlaskClient, app: Flask, issuer: Issuer
) -> None:
    issuer.discovery["grant_types_supported"] = ["authorization_code"]
    assert (
        f"A token of {issuer.url} is taken"
        in problem(login(client, "ada", USERS["ada"]), 401, "unauthenticated")["detail"]
    )
    assert logins(app)[0][3] == "oidc: the issuer takes no passwords"


@pytest.mark.parametrize("error", ["mfa_required", "interaction_required", "access_denied"])
def test_an_issuer_that_wants_more_than_a_password_refuses_and_is_not_down(
    client: FlaskClient, issuer: Issuer, error: str
) -> None:
    issuer.answers["/token"] = (403, {"error": error}, {})
    for _ in range(5):
        problem(login(client, "ada", "wrong"), 401, "unauthenticated")
    problem(login(client, "ada", "wrong"), 429, "rate-limited")


def test_a_name_of_the_user_table_is_never_asked_of_the_issuer(client: FlaskClient, issuer: Issuer) -> None:
    problem(login(client, "admin", USERS["admin"]), 401, "unauthenticated")
    assert login(client, "admin", PASSWORD).status_code == 200
    assert issuer.asked["/token"] == 0


def test_with_its_prefix_a_name_is_the_issuers_and_nobody_elses(client: FlaskClient, issuer: Issuer) -> None:
    token = login(client, "oidc:admin", USERS["admin"]).get_json()["access_token"]
    me = client.get("/me", headers=bearer(token)).get_json()
    assert me == {"username": "oidc:0-admin", "roles": [], "permissions": list(STAFF)}


def test_an_admin_of_the_user_table_gets_in_while_the_issuer_is_down(client: FlaskClient, issuer: Issuer) -> None:
    for path in ("/keys", "/token", "/.well-known/openid-configuration"):
        issuer.answers[path] = (500, {}, {})
    token = login(client, "admin", PASSWORD).get_json()["access_token"]
    assert client.get("/users", headers=bearer(token)).status_code == 200


def test_an_outage_counts_against_nobody_and_stands_in_the_audit_log(
    client: FlaskClient, app: Flask, issuer: Issuer
) -> None:
    assert login(client, "ada", USERS["ada"]).status_code == 200
    issuer.answers["/token"] = (500, {}, {})
    for _ in range(8):
        answer = login(client, "ada", USERS["ada"])
        problem(answer, 503, "identity-unavailable")
        assert answer.headers["Retry-After"] == "5"
    del issuer.answers["/token"]
    assert login(client, "ada", USERS["ada"]).status_code == 200
    unanswered = [told for told in logins(app) if told[2] == "unanswered"]  # two, if a minute ended between them
    assert {told[:2] for told in unanswered} == {("", "?")}
    assert sum(told[4] for told in unanswered) == 8
    assert unanswered[0][3].startswith("oidc: The identity provider cannot be used")


def test_guesses_are_counted_before_the_issuer_is_asked_whatever_the_spelling(
    client: FlaskClient, issuer: Issuer
) -> None:
    for name in ("ada", "ADA", "Ada", "oidc:ada", "Áda"):
        problem(login(client, name, "wrong"), 401, "unauthenticated")
    asked = issuer.asked["/token"]
    problem(login(client, "ada", USERS["ada"]), 429, "rate-limited")
    assert issuer.asked["/token"] == asked == 5


def test_more_logins_at_once_than_may_wait_are_turned_away(client: FlaskClient, issuer: Issuer, app: Flask) -> None:
    assert login(client, "ada", USERS["ada"]).status_code == 200
    issuer.silent.add("/token")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda n: login(app.test_client(), f"ada{n}", "x").status_code, range(6)))
    assert sorted(answers) == [429] * 3 + [503] * 3


def test_a_token_that_was_logged_out_is_refused_however_its_signature_is_spelt(
    client: FlaskClient, issuer: Issuer
) -> None:
    issuer.keys = [Key("curve", "ES256")]
    token = issuer.token()
    signed, _, signature = token.rpartition(".")
    halves = base64.urlsafe_b64decode(f"{signature}==")
    r, s = int.from_bytes(halves[:32]), int.from_bytes(halves[32:])
    other = r.to_bytes(32) + (ORDER_OF_P256 - s).to_bytes(32)  # as good as the first, for whoever has that
    respelt = f"{signed}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"
    assert push(client, respelt).status_code == 201
    assert client.post("/logout", headers=bearer(token)).status_code == 200
    problem(push(client, token), 401, "unauthenticated")
    time.sleep(2)  # as long as a process may trust what it has seen
    problem(push(client, respelt), 401, "unauthenticated")
    assert push(client, issuer.token(jti="another")).status_code == 201


def test_a_token_that_was_logged_out_stays_so_for_as_long_as_any_clock_may_take_it(
    client: FlaskClient, issuer: Issuer
) -> None:
    short = issuer.token(exp=int(time.time()) + 1)
    assert client.post("/logout", headers=bearer(short)).status_code == 200
    time.sleep(2.1)
    assert push(client, issuer.token(exp=int(time.time()) - 1)).status_code == 201  # clocks may differ
    assert client.post("/logout", headers=bearer(issuer.token())).status_code == 200
    problem(push(client, short), 401, "unauthenticated")


def test_users_from_elsewhere_have_no_keys_and_no_password_here(client: FlaskClient, issuer: Issuer) -> None:
    headers = bearer(issuer.token(groups=["bosses"]))
    problem(client.post("/keys", json={"name": "k", "permissions": ["push:*"]}, headers=headers), 403, "forbidden")
    change = {"current": PASSWORD, "new": "another long password"}
    problem(client.post("/me/password", json=change, headers=headers), 403, "forbidden")
    assert client.get("/keys", headers=headers).status_code == 200


def test_an_idempotency_key_is_its_callers_own(client: FlaskClient, issuer: Issuer, producer: FlaskClient) -> None:
    ids = set()
    for caller, headers in (
        (client, bearer(issuer.token())),
        (client, bearer(issuer.token(sub="0-bob"))),
        (producer, {}),
    ):
        answer = caller.post("/push", json={"message": 1}, headers={**headers, "Idempotency-Key": "1"})
        assert answer.status_code == 201
        ids.add(answer.get_json()["id"])
    assert len(ids) == 3


def test_a_name_that_no_log_should_hold_is_replaced(client: FlaskClient, issuer: Issuer) -> None:
    name = client.get("/me", headers=bearer(issuer.token(sub="two\nlines " + "x" * 200))).get_json()["username"]
    assert len(name) == len("oidc:") + 32
    assert client.get("/me", headers=bearer(issuer.token(sub="half a pair \ud800", jti="1"))).status_code == 200


def test_groups_are_found_where_dots_lead(make_app: MakeApp, settings: Settings, issuer: Issuer) -> None:
    client = make_app(replace(settings, oidc_groups_claim="realm_access.roles")).test_client()
    token = issuer.token(groups=None, realm_access={"roles": ["staff", 5]})
    assert push(client, token).status_code == 201
    assert client.get("/me", headers=bearer(issuer.token(realm_access="staff"))).get_json()["permissions"] == []
