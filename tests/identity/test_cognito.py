"""moto's Cognito over HTTP: users of a pool, their groups, the tokens of clients and of other pools."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.people import Refusal
from app.providers.cognito import Cognito
from app.providers.https import Https
from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.conftest import PASSWORD, MakeApp, client_of
from tests.issuer import issuing
from tests.service import ROOT, free_port, wait_until

PASSPHRASE = "Ada's passphrase 1"
Call = Callable[..., dict[str, Any]]


class Pool(msgspec.Struct, frozen=True):
    """A pool with two clients, the second of which has a secret."""

    id: str
    client: str
    other_client: str
    secret: str


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [str(ROOT / ".venv-identity" / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: httpx.get(f"{url}/moto-api/").status_code == 200)
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def call(moto: str) -> Call:
    """What an admin of the pool asks of Cognito."""

    def ask(operation: str, **parameters: Any) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/cognito-idp/aws4_request",
        }
        answer = httpx.post(moto, headers=headers, content=msgspec.json.encode(parameters))
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    return ask


@pytest.fixture
def pool(call: Call) -> Pool:
    return make_pool(call)


def make_pool(call: Call) -> Pool:
    pool = call("CreateUserPool", PoolName="people")["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    made = [
        call("CreateUserPoolClient", UserPoolId=pool, ClientName=name, GenerateSecret=secret, ExplicitAuthFlows=flows)[
            "UserPoolClient"
        ]
        for name, secret in (("open", False), ("secret", True))
    ]
    call("CreateGroup", UserPoolId=pool, GroupName="billing")
    for name in ("ada", "bob", "eve"):
        call("AdminCreateUser", UserPoolId=pool, Username=name, MessageAction="SUPPRESS", TemporaryPassword=PASSPHRASE)
        if name != "bob":  # who has to change it first
            call("AdminSetUserPassword", UserPoolId=pool, Username=name, Password=PASSPHRASE, Permanent=True)
    call("AdminAddUserToGroup", UserPoolId=pool, GroupName="billing", Username="ada")
    call("AdminDisableUser", UserPoolId=pool, Username="eve")
    return Pool(pool, made[0]["ClientId"], made[1]["ClientId"], made[1]["ClientSecret"])


@pytest.fixture
def settings(settings: Settings, moto: str, pool: Pool) -> Settings:
    return replace(
        settings,
        identity="cognito",
        identity_clients=f"{pool.client},{pool.other_client}",
        identity_groups='{"billing": ["producer", "pop:*"]}',
        identity_jwks_url=f"{moto}/{pool.id}/.well-known/jwks.json",
        cognito_pool=pool.id,
        cognito_url=f"{moto}/",
    )


def log_in(client: FlaskClient, username: str, password: str = PASSPHRASE) -> Any:
    return client.post("/login", json={"username": username, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def logins(app: Flask) -> list[tuple[str, str, str]]:
    entries = client_of(app, "admin").get("/audit?action=login").get_json()["entries"]
    return [(entry["target"], entry["outcome"], entry["detail"]) for entry in entries]


def tokens_of(call: Call, client: str) -> dict[str, str]:
    """What Cognito itself gives to ada."""
    parameters = {"USERNAME": "ada", "PASSWORD": PASSPHRASE}
    found: dict[str, str] = call(
        "InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", ClientId=client, AuthParameters=parameters
    )["AuthenticationResult"]
    return found


def test_a_user_of_the_pool_logs_in_pushes_and_pops_with_the_role_of_their_group(
    client: FlaskClient, app: Flask
) -> None:
    answer = log_in(client, "ada").get_json()
    headers = bearer(answer["access_token"])
    assert answer["expires_in"] > 3000
    assert client.post("/push", json={"message": "hello"}, headers=headers).status_code == 201
    assert client.post("/pop", headers=headers).get_json()["message"] == "hello"
    me = client.get("/me", headers=headers).get_json()
    assert (me["username"], me["roles"]) == ("cognito:ada", ["producer"])
    assert logins(app)[0] == ("cognito:ada", "done", "let in by cognito")


def test_a_client_with_a_secret_proves_it(make_app: MakeApp, settings: Settings, pool: Pool) -> None:
    changed = replace(settings, identity_clients=pool.other_client, identity_client_secret=Secret(pool.secret))
    client = make_app(changed).test_client()
    headers = bearer(log_in(client, "ada").get_json()["access_token"])
    assert client.post("/push", json={"message": 1}, headers=headers).status_code == 201


def test_wrong_unknown_disabled_and_unfinished_users_are_answered_alike(client: FlaskClient, app: Flask) -> None:
    tries = [("ada", "wrong"), ("stranger", "wrong"), ("eve", PASSPHRASE), ("bob", PASSPHRASE), ("*)(uid=*", "x")]
    bodies = [problem(log_in(client, *each), 401, "unauthenticated") for each in tries]
    assert len({body["detail"] for body in bodies}) == 1
    assert logins(app)[0][:2] == ("?", "refused")
    problem(log_in(client, "bob"), 401, "unauthenticated")
    assert "NEW_PASSWORD_REQUIRED" in logins(app)[0][2]
    assert PASSPHRASE not in str(logins(app))


def test_only_an_access_token_of_a_client_of_this_pool_counts(
    client: FlaskClient, call: Call, pool: Pool, make_app: MakeApp, settings: Settings
) -> None:
    own, other = tokens_of(call, pool.client), tokens_of(call, make_pool(call).client)
    assert client.get("/me", headers=bearer(own["AccessToken"])).status_code == 200
    for token in (own["IdToken"], other["AccessToken"], other["IdToken"]):
        problem(client.get("/me", headers=bearer(token)), 401, "unauthenticated")
    strangers = make_app(replace(settings, identity_clients="another-client")).test_client()
    problem(strangers.get("/me", headers=bearer(own["AccessToken"])), 401, "unauthenticated")


@pytest.mark.parametrize("changed", [{"cognito_url": "http://127.0.0.1:1/"}, {"identity_clients": "no-such-client"}])
def test_a_pool_that_cannot_be_asked_is_503_and_the_admin_of_the_table_gets_in(
    make_app: MakeApp, settings: Settings, changed: dict[str, str]
) -> None:
    client = make_app(replace(settings, **changed)).test_client()
    problem(log_in(client, "ada"), 503, "identity-unavailable")
    assert log_in(client, "admin", PASSWORD).status_code == 200


def test_a_check_of_the_pools_own_that_refuses_a_user_is_no_outage() -> None:
    with issuing() as pool:
        pool.answers["/"] = (400, {"__type": "UserLambdaValidationException", "message": "PreAuthentication"}, {})
        provider = Cognito(
            Https(),
            "eu-west-1_a",
            audience=None,
            clients=["a"],
            client_secret=None,
            url=f"{pool.url}/",
            jwks_url=None,
            now=time.monotonic,
        )
        assert isinstance(provider.login("ada", PASSPHRASE), Refusal)
