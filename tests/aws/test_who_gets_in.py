"""Pulpo with the settings that Terraform gave an instance: whom it lets in, whatever stands before it.

`make aws` applies deploy/aws against moto, which then has the pool, its clients and the instance's user data.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
import pytest

from tests.aws.tokens import ANOTHER_POOL, KEY_ID, another_key, machine_token, settings_in
from tests.service import running

PASSPHRASE = "Ada's passphrase 1"
Sign = Callable[..., str]


@pytest.fixture(scope="module")
def given() -> dict[str, str]:
    """What user data writes into Pulpo's environment."""
    return settings_in(Path(os.environ["TEST_AWS_USER_DATA"]))


@pytest.fixture(scope="module")
def moto() -> str:
    return os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def url(given: dict[str, str], moto: str) -> Iterator[str]:
    """A Pulpo with these settings, but for where moto's pool is reached."""
    pool = given["PULPO_COGNITO_POOL"]
    here = {"PULPO_COGNITO_URL": f"{moto}/", "PULPO_IDENTITY_JWKS_URL": f"{moto}/{pool}/.well-known/jwks.json"}
    with running(**given, **here) as service:
        yield service.url


@pytest.fixture(scope="module")
def sign(given: dict[str, str]) -> Sign:
    return partial(machine_token, given)


def call(moto: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """What an admin of the pool asks of Cognito."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/cognito-idp/aws4_request",
    }
    answer = httpx.post(moto, headers=headers, content=msgspec.json.encode(parameters)).raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


def send(url: str, path: str, token: str | None, json: object = None, **headers: str) -> httpx.Response:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return httpx.post(f"{url}{path}", json=json, headers=headers)


def assert_refused(answer: httpx.Response, status: int = 401, code: str = "unauthenticated") -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["code"] == code
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_machine_pushes_and_pops_by_its_token(url: str, sign: Sign) -> None:
    token = sign()
    assert send(url, "/push", token, {"message": {"order": 42}}).status_code == 201
    assert send(url, "/pop", token).json()["message"] == {"order": 42}
    assert send(url, "/purge", token).status_code == 404
    assert_refused(send(url, "/queues/default/purge?confirm=default", token), 403, "forbidden")


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 60},
        {"iss": ANOTHER_POOL},
        {"client_id": "another-client"},
        {"aud": "somebody-else"},
        {"token_use": "id"},
    ],
    ids=["expired", "another-pool", "another-client", "for-somebody-else", "id-token"],
)
def test_another_token_is_refused_although_the_key_is_right(url: str, sign: Sign, changed: dict[str, object]) -> None:
    assert_refused(send(url, "/push", sign(**changed), {"message": 1}))


def test_a_token_of_another_key_is_refused_although_it_names_the_right_one(url: str, sign: Sign) -> None:
    assert_refused(send(url, "/push", sign(key=another_key()), {"message": 1}))


def test_a_token_of_no_public_key_is_refused(url: str, sign: Sign) -> None:
    claims = jwt.decode(sign(), options={"verify_signature": False})
    forged = jwt.encode(claims, "a secret that is long enough for it", "HS256", {"kid": KEY_ID})
    assert_refused(send(url, "/push", forged, {"message": 1}))
    assert_refused(send(url, "/push", jwt.encode(claims, "", "none"), {"message": 1}))


@pytest.mark.parametrize(
    ("scope", "path"), [("pulpo/push", "/pop"), ("pulpo/pop", "/push"), ("", "/push"), ("x/push", "/push")]
)
def test_a_token_without_the_scope_is_forbidden(url: str, sign: Sign, scope: str, path: str) -> None:
    body = {"message": 1} if path == "/push" else None
    assert_refused(send(url, path, sign(scope=scope), body), 403, "forbidden")


def test_the_scope_for_managing_purges_and_does_not_pop(url: str, sign: Sign) -> None:
    send(url, "/queues/managed/push", sign(), {"message": 1})
    token = sign(scope="pulpo/manage")
    assert send(url, "/queues/managed/purge?confirm=managed", token).status_code == 200
    assert_refused(send(url, "/queues/managed/pop", token), 403, "forbidden")


@pytest.mark.parametrize(
    "header",
    ["X-Amzn-Oidc-Identity", "X-Forwarded-User", "Remote-User", "X-User", "X-Client-Id", "Pulpo-Client-Address"],
)
def test_a_header_says_nothing_of_the_caller(url: str, sign: Sign, header: str) -> None:
    assert_refused(send(url, "/push", None, {"message": 1}, **{header: "admin"}))
    me = httpx.get(f"{url}/me", headers={"Authorization": f"Bearer {sign()}", header: "admin"}).json()
    assert set(me["roles"]) == {"producer", "consumer"}


def test_no_token_is_401_wherever_one_is_needed(url: str) -> None:
    for path in ("/push", "/pop", "/ack", "/queues/default/purge?confirm=default", "/users", "/logout"):
        assert_refused(send(url, path, None))


def test_people_get_in_by_the_groups_of_the_pool_that_was_made(url: str, moto: str, given: dict[str, str]) -> None:
    pool, (client, _) = given["PULPO_COGNITO_POOL"], given["PULPO_IDENTITY_CLIENTS"].split(",")
    of_ada = {"UserPoolId": pool, "Username": "ada"}
    call(moto, "AdminCreateUser", **of_ada, MessageAction="SUPPRESS", TemporaryPassword=PASSPHRASE)
    call(moto, "AdminSetUserPassword", **of_ada, Password=PASSPHRASE, Permanent=True)
    call(moto, "AdminAddUserToGroup", **of_ada, GroupName="queue-producers")
    parameters = {"USERNAME": "ada", "PASSWORD": PASSPHRASE}
    tokens = call(moto, "InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", ClientId=client, AuthParameters=parameters)
    token = tokens["AuthenticationResult"]["AccessToken"]
    assert send(url, "/queues/people/push", token, {"message": 1}).status_code == 201
    assert_refused(send(url, "/queues/people/pop", token), 403, "forbidden")
    assert_refused(send(url, "/push", tokens["AuthenticationResult"]["IdToken"], {"message": 1}))
    assert send(url, "/login", None, {"username": "ada", "password": PASSPHRASE}).status_code == 200
