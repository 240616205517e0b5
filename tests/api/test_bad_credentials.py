"""Every guarded route refuses every credential that is no good."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.people import Account
from app.services.token_keys import of_secret
from app.services.tokens import Tokens
from app.settings import Settings
from tests.api.answers import problem
from tests.api.test_guard import OPEN_ROUTES, routes
from tests.api.test_token_keys import ED25519, RSA, private_pem, public_pem, signed_by_public_key
from tests.conftest import BY, SECRET, MakeApp, bearer_headers, services_of

Make = Callable[[Flask], str | None]


def genuine(app: Flask, username: str = "admin") -> str:
    return bearer_headers(app, username)["Authorization"].removeprefix("Bearer ")


def forged(app: Flask, *, secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    """A token like a genuine one, but for what is `changed` and who signs."""
    token = genuine(app)
    claims = jwt.decode(token, options={"verify_signature": False}) | changed
    return jwt.encode(claims, secret, algorithm, headers={"kid": jwt.get_unverified_header(token)["kid"]})


def none_of(app: Flask) -> str:
    head, claims, _ = genuine(app).split(".")
    head_of_none = json.loads(jwt.utils.base64url_decode(head)) | {"alg": "none"}
    return f"{jwt.utils.base64url_encode(json.dumps(head_of_none).encode()).decode()}.{claims}."


def revoked(app: Flask) -> str:
    token = genuine(app, "viewer")
    services_of(app).identities.revoke(token, by=BY)
    return token


def of_disabled_user(app: Flask) -> str:
    services_of(app).accounts.disable("viewer", by=BY)
    return genuine(app, "viewer")


def of_removed_user(app: Flask) -> str:
    services_of(app).accounts.remove("viewer", by=BY)
    return genuine(app, "viewer")


def of_nobody(app: Flask) -> str:
    account = Account("f" * 32, "ghost", ("admin",), (), disabled=False, epoch=0)
    return Tokens([of_secret(SECRET)], lifetime_seconds=60, now=time.time).issue(account)


def key_of(app: Flask, username: str) -> str:
    services = services_of(app)
    principal = services.identities.of_token(genuine(app, username))
    key, secret = services.keys.add(principal, "k", permissions=("push:*",), expires_in=None, by=BY)
    return f"pulpo_{key.id}_{secret}"


def key_of_disabled_user(app: Flask) -> str:
    credential = key_of(app, "producer")
    services_of(app).accounts.disable("producer", by=BY)
    return credential


def revoked_key(app: Flask) -> str:
    credential = key_of(app, "producer")
    services = services_of(app)
    services.keys.remove(services.identities.of_token(genuine(app)), credential.split("_")[1], by=BY)
    return credential


BAD: dict[str, Make] = {
    "no credential": lambda _: None,
    "junk": lambda _: "junk",
    "expired": lambda app: forged(app, exp=int(time.time()) - 1),
    "another key's signature": lambda app: forged(app, secret="another-secret-that-is-also-long-enough"),
    "alg none": none_of,
    "another hash": lambda app: forged(app, secret=SECRET * 2, algorithm="HS512"),
    "another audience": lambda app: forged(app, aud="another"),
    "another issuer": lambda app: forged(app, iss="another"),
    "revoked": revoked,
    "of a disabled user": of_disabled_user,
    "of a removed user": of_removed_user,
    "of nobody": of_nobody,
    "a key with another's secret": lambda app: key_of(app, "admin")[:-64] + "0" * 64,
    "a key of a disabled user": key_of_disabled_user,
    "a revoked key": revoked_key,
}


def guarded(app: Flask) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in routes(app) if f"{method} {path}" not in OPEN_ROUTES]


@pytest.mark.parametrize("name", BAD)
def test_every_guarded_route_refuses(app: Flask, client: FlaskClient, name: str) -> None:
    credential = BAD[name](app)
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    assert len(guarded(app)) > 25
    for method, path in guarded(app):
        problem(client.open(path, method=method, headers=headers), 401, "unauthenticated")


@pytest.mark.parametrize("key", [ED25519, RSA])
def test_every_guarded_route_refuses_a_public_key_taken_for_a_secret(
    settings: Settings, make_app: MakeApp, tmp_path: Path, key: Any
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(private_pem(key))
    app = make_app(replace(settings, token_key_files=str(file)))
    forged = signed_by_public_key(genuine(app), public_pem(key), "HS256")
    for method, path in guarded(app):
        answer = app.test_client().open(path, method=method, headers={"Authorization": f"Bearer {forged}"})
        problem(answer, 401, "unauthenticated")


def test_every_guarded_route_takes_a_good_one(app: Flask) -> None:
    """So that the refusals above are for what they say."""
    for method, path, _ in routes(app):
        answer = app.test_client().open(path, method=method, headers=bearer_headers(app, "admin"))
        assert answer.status_code != 401, (method, path)
