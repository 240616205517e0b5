"""POST /login, POST /logout and GET /me."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace
from redis import Redis
from sqlalchemy import Engine, text

from app.services.token_keys import of_secret
from app.services.tokens import Tokens
from app.settings import Settings
from app.web import afterwards
from app.web.context import EXTENSION, Services
from tests.api.answers import JSON, problem
from tests.conftest import ACCOUNTS, BY, PASSWORD, SECRET, Bearer, Login, MakeApp, bearer_headers

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def services(app: Flask) -> Services:
    found: Services = app.extensions[EXTENSION]
    return found


def headers_of(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token of the admin says, but for what is `changed`; None leaves a claim out."""
    now = int(time.time())
    good = {"iss": "pulpo", "aud": "pulpo", "sub": ACCOUNTS["admin"].id, "jti": "1", "iat": now, "exp": now + 60}
    return {name: value for name, value in (good | {"epoch": 0} | changed).items() if value is not None}


def signed(content: dict[str, Any], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token of `content` that bears the key id of our secret, whatever it is signed with."""
    account = ACCOUNTS["admin"]
    ours = Tokens([of_secret(SECRET)], lifetime_seconds=60, now=time.time).issue(account)
    return jwt.encode(content, secret, algorithm, headers={"kid": jwt.get_unverified_header(ours)["kid"]})


def segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_login_by_json_answers_a_token_that_opens_doors(client: FlaskClient, login: Login) -> None:
    answer = login("producer", PASSWORD)
    assert answer.status_code == 200
    assert answer.get_json().keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.get_json()["token_type"], answer.get_json()["expires_in"]) == ("Bearer", 3600)
    assert client.get("/me", headers=headers_of(answer.get_json()["access_token"])).status_code == 200


@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data"])
def test_a_login_by_form_answers_a_token(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/login", data={"username": "producer", "password": PASSWORD}, content_type=content_type)
    assert answer.get_json()["access_token"]


@pytest.mark.parametrize("content_type", [FORM, "text/plain", None])
def test_a_login_by_json_is_understood_whatever_its_type(client: FlaskClient, content_type: str | None) -> None:
    text = json.dumps({"username": "producer", "password": PASSWORD})
    assert client.post("/login", data=text, content_type=content_type).status_code == 200


def test_a_token_lasts_as_long_as_the_setting_says(settings: Settings, make_app: MakeApp) -> None:
    client = make_app(replace(settings, token_lifetime_seconds=90)).test_client()
    answer = client.post("/login", json={"username": "producer", "password": PASSWORD}).get_json()
    told = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (answer["expires_in"], told["exp"] - told["iat"]) == (90, 90)


def test_two_logins_answer_two_tokens(login: Login) -> None:
    one, two = login("producer", PASSWORD).get_json(), login("producer", PASSWORD).get_json()
    assert one["access_token"] != two["access_token"]


def test_a_wrong_name_and_a_wrong_password_are_told_in_the_same_words(login: Login) -> None:
    wrong_name, wrong_password = login("nemo", PASSWORD), login("producer", "wrong")
    first, second = problem(wrong_name, 401, "unauthenticated"), problem(wrong_password, 401, "unauthenticated")
    assert first | {"request_id": ""} == second | {"request_id": ""}
    assert wrong_name.headers["WWW-Authenticate"] == wrong_password.headers["WWW-Authenticate"] == "Bearer"


def test_a_disabled_user_is_refused_in_the_same_words(login: Login, services: Services) -> None:
    services.accounts.disable("producer", by=BY)
    disabled, wrong = login("producer", PASSWORD), login("producer", "wrong")
    first, second = problem(disabled, 401, "unauthenticated"), problem(wrong, 401, "unauthenticated")
    assert first | {"request_id": ""} == second | {"request_id": ""}


def test_a_wrong_name_takes_as_long_as_a_wrong_password(login: Login) -> None:
    """Else the time would tell which names there are. The shortest of several, in turn, since the machine is shared."""
    seconds: dict[str, list[float]] = {"nemo": [], "producer": []}
    for _ in range(5):
        for username, taken in seconds.items():
            started = time.perf_counter()
            login(username, "wrong")
            taken.append(time.perf_counter() - started)
    assert 0.5 < min(seconds["nemo"]) / min(seconds["producer"]) < 2


def test_names_are_compared_as_they_are_spelt(login: Login) -> None:
    problem(login("Producer", PASSWORD), 401, "unauthenticated")


def test_a_user_enabled_again_may_log_in(login: Login, services: Services) -> None:
    services.accounts.disable("producer", by=BY)
    services.accounts.enable("producer", by=BY)
    assert login("producer", PASSWORD).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"username": "admin"}',
        b'{"password": "x"}',
        b'{"username": 5, "password": "x"}',
        b'{"username": "admin", "password": null}',
        b'{"username": "admin", "password": ["x"]}',
        b'{"username": "admin", "password": "x", "role": "admin"}',
        b'{"username": "%s", "password": "x"}' % (b"a" * 1025),
        b'{"username": "admin", "password": "%s"}' % (b"a" * 1025),
    ],
)
def test_a_login_of_the_wrong_form_is_invalid(client: FlaskClient, text: bytes) -> None:
    problem(client.post("/login", data=text, content_type=JSON), 422, "invalid")


@pytest.mark.parametrize("text", [b"username=admin", b"password=x", b"username=admin&password=x&otp=1", b""])
def test_a_form_of_the_wrong_fields_is_invalid(client: FlaskClient, text: bytes) -> None:
    problem(client.post("/login", data=text, content_type=FORM), 422, "invalid")


@pytest.mark.parametrize("text", [b"{", b"\xff", b"hello", b'{"username": "\\ud800", "password": "x"}'])
def test_a_login_that_is_not_json_is_malformed(client: FlaskClient, text: bytes) -> None:
    problem(client.post("/login", data=text, content_type=JSON), 400, "malformed")


@pytest.mark.parametrize("text", [b"username=%ff&password=%ff", b"username=%00&password=%00"])
def test_odd_bytes_in_a_form_are_a_wrong_login(client: FlaskClient, text: bytes) -> None:
    problem(client.post("/login", data=text, content_type=FORM), 401, "unauthenticated")


def test_name_and_password_in_the_query_are_not_looked_at(client: FlaskClient) -> None:
    problem(client.post(f"/login?username=admin&password={PASSWORD}"), 422, "invalid")


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_login_of_more_than_16_kib_is_too_large(client: FlaskClient, content_type: str) -> None:
    body = problem(client.post("/login", data=b"x" * 16385, content_type=content_type), 413, "request-too-large")
    assert "16384" in body["detail"]


def test_a_password_is_repeated_in_no_answer(client: FlaskClient, capfd: pytest.CaptureFixture[str]) -> None:
    for body in ({"username": "admin", "password": "hunter2-hunter2", "x": 1}, {"password": "hunter2-hunter2"}):
        assert "hunter2" not in client.post("/login", json=body).text
    afterwards.work_off()
    logged = capfd.readouterr().out
    assert '"path":"/login"' in logged
    assert "hunter2" not in logged


def test_me_tells_who_calls_and_what_they_may(client: FlaskClient, bearer: Bearer) -> None:
    assert client.get("/me", headers=bearer("producer")).get_json() == {
        "username": "producer",
        "roles": ["producer"],
        "permissions": ["push:*", "count:*"],
    }


def test_me_names_single_permissions(orders_producer: FlaskClient) -> None:
    assert orders_producer.get("/me").get_json() == {
        "username": "orders-producer",
        "roles": [],
        "permissions": ["push:orders.*"],
    }


def test_logout_revokes_the_token_at_once(client: FlaskClient, bearer: Bearer) -> None:
    headers = bearer("producer")
    assert client.get("/me", headers=headers).status_code == 200
    assert client.post("/logout", headers=headers).status_code == 200
    problem(client.get("/me", headers=headers), 401, "unauthenticated")


def test_logout_leaves_other_tokens_of_the_user_alone(client: FlaskClient, bearer: Bearer) -> None:
    other = bearer("producer")
    client.post("/logout", headers=bearer("producer"))
    assert client.get("/me", headers=other).status_code == 200


def test_a_token_cannot_log_out_twice(client: FlaskClient, bearer: Bearer) -> None:
    headers = bearer("producer")
    client.post("/logout", headers=headers)
    problem(client.post("/logout", headers=headers), 401, "unauthenticated")


def test_a_logout_holds_on_other_nodes(
    settings: Settings, make_app: MakeApp, client: FlaskClient, bearer: Bearer
) -> None:
    headers = bearer("producer")
    client.post("/logout", headers=headers)
    problem(make_app(settings).test_client().get("/me", headers=headers), 401, "unauthenticated")


def test_the_token_of_a_disabled_user_is_refused(client: FlaskClient, bearer: Bearer, services: Services) -> None:
    headers = bearer("producer")
    services.accounts.disable("producer", by=BY)
    problem(client.get("/me", headers=headers), 401, "unauthenticated")


def test_the_token_of_a_deleted_user_is_refused(client: FlaskClient, bearer: Bearer, services: Services) -> None:
    headers = bearer("producer")
    services.accounts.remove("producer", by=BY)
    problem(client.get("/me", headers=headers), 401, "unauthenticated")


def test_a_token_from_before_a_change_of_password_is_refused(
    client: FlaskClient, bearer: Bearer, services: Services
) -> None:
    headers = bearer("producer")
    services.accounts.set_password("producer", "another long password", by=BY)
    problem(client.get("/me", headers=headers), 401, "unauthenticated")


def test_enabling_a_user_does_not_revive_older_tokens(client: FlaskClient, bearer: Bearer, services: Services) -> None:
    headers = bearer("producer")
    services.accounts.disable("producer", by=BY)
    services.accounts.enable("producer", by=BY)
    problem(client.get("/me", headers=headers), 401, "unauthenticated")


def test_a_token_that_was_used_a_moment_ago_is_refused_5_s_after_its_user_was_disabled(
    client: FlaskClient, bearer: Bearer, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process remembers a verified token for a while; that while must be shorter than 5 s."""
    headers = bearer("producer")
    assert client.get("/me", headers=headers).status_code == 200
    services.accounts.disable("producer", by=BY)
    monkeypatch.setattr(services.identities, "_monotonic", lambda: time.monotonic() + 5)
    problem(client.get("/me", headers=headers), 401, "unauthenticated")


def test_a_good_token_made_by_hand_is_taken(client: FlaskClient) -> None:
    """So that the refusals below are for what they say."""
    assert client.get("/me", headers=headers_of(signed(claims()))).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1_000_000_000},
        {"exp": None},
        {"aud": "another"},
        {"aud": None},
        {"iss": "another"},
        {"iss": None},
        {"sub": None},
        {"sub": "f" * 32},
        {"jti": None},
        {"epoch": None},
        {"epoch": 1},
        {"iat": None},
    ],
)
def test_a_token_whose_claims_are_not_ours_is_refused(client: FlaskClient, changed: dict[str, Any]) -> None:
    answer = client.get("/me", headers=headers_of(signed(claims(**changed))))
    problem(answer, 401, "unauthenticated")


def test_a_token_signed_with_another_secret_is_refused(client: FlaskClient) -> None:
    token = signed(claims(), secret="another-secret-that-is-also-long-enough")
    problem(client.get("/me", headers=headers_of(token)), 401, "unauthenticated")


def test_a_token_of_a_node_with_another_secret_is_refused(client: FlaskClient) -> None:
    other = Tokens([of_secret("another-secret-that-is-also-long-enough")], lifetime_seconds=60, now=time.time)
    token = other.issue(ACCOUNTS["admin"])
    problem(client.get("/me", headers=headers_of(token)), 401, "unauthenticated")


def test_a_token_of_the_algorithm_none_is_refused(client: FlaskClient) -> None:
    head = json.loads(base64.urlsafe_b64decode(signed(claims()).split(".")[0] + "=="))
    for algorithm in ("none", "None", "NONE"):
        token = f"{segment(json.dumps(head | {'alg': algorithm}).encode())}.{segment(json.dumps(claims()).encode())}."
        problem(client.get("/me", headers=headers_of(token)), 401, "unauthenticated")


def test_a_token_of_a_longer_hash_is_refused(client: FlaskClient) -> None:
    token = signed(claims(), secret=SECRET * 2, algorithm="HS512")
    problem(client.get("/me", headers=headers_of(token)), 401, "unauthenticated")


def test_a_token_whose_claims_were_exchanged_is_refused(client: FlaskClient) -> None:
    head, _, signature = signed(claims()).split(".")
    token = f"{head}.{segment(json.dumps(claims(sub=ACCOUNTS['viewer'].id)).encode())}.{signature}"
    problem(client.get("/me", headers=headers_of(token)), 401, "unauthenticated")


@pytest.mark.parametrize(
    "token",
    [
        "junk",
        "a.b.c",
        "..",
        "é.é.é",
        "x" * 8000,
        segment(b"[]") + ".e30.c2ln",
        segment(b'{"alg":"HS256","kid":[1]}') + ".e30.c2ln",
        segment(b'{"alg":5}') + ".e30.c2ln",
        segment(b"[" * 6000) + ".e30.c2ln",
        segment(b"9" * 5000) + ".e30.c2ln",
        segment(b"\xff") + ".e30.c2ln",
    ],
)
def test_junk_is_refused(client: FlaskClient, token: str) -> None:
    problem(client.get("/me", headers=headers_of(token)), 401, "unauthenticated")


def test_a_token_signed_with_the_older_of_two_secrets_is_still_taken(settings: Settings, make_app: MakeApp) -> None:
    """So that secrets rotate without a logout."""
    old, new = make_app(settings), make_app(replace(settings, secret=type(settings.secret)("n" * 32 + "," + SECRET)))
    assert new.test_client().get("/me", headers=bearer_headers(old, "viewer")).status_code == 200
    problem(old.test_client().get("/me", headers=bearer_headers(new, "viewer")), 401, "unauthenticated")


def test_logging_in_needs_no_redis(settings: Settings, make_app: MakeApp) -> None:
    client = make_app(replace(settings, redis_url=type(settings.secret)("redis://127.0.0.1:1"))).test_client()
    assert client.post("/login", json={"username": "producer", "password": PASSWORD}).status_code == 200


def test_a_login_keeps_no_message_and_no_queue_in_redis(login: Login, redis_client: Redis) -> None:
    login("producer", PASSWORD)
    assert redis_client.keys("pulpo:{*") == []
    assert redis_client.exists("pulpo:queues") == 0


def test_a_login_renews_a_hash_of_other_parameters_and_logs_nobody_out(
    login: Login, client: FlaskClient, bearer: Bearer, database: Engine
) -> None:
    def kept_hash() -> str:
        with database.begin() as connection:
            query = text("SELECT password_hash FROM users WHERE username = 'viewer'")
            return str(connection.execute(query).scalar_one())

    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with database.begin() as connection:
        connection.execute(text("UPDATE users SET password_hash = :weak WHERE username = 'viewer'"), {"weak": weak})
    problem(login("viewer", "wrong"), 401, "unauthenticated")
    assert kept_hash() == weak
    assert login("viewer", PASSWORD).status_code == 200
    assert "m=19456,t=2,p=1" in kept_hash()
    assert client.get("/me", headers=bearer("viewer")).status_code == 200
    assert login("viewer", PASSWORD).status_code == 200
