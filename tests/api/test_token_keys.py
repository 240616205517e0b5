"""Tokens signed with Ed25519 or RSA, their public keys, and keys that change."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask
from msgspec.structs import replace

from app.settings import InvalidSettings, Settings
from tests.api.answers import problem
from tests.conftest import SECRET, MakeApp, bearer_headers

ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)


def private_pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


@pytest.fixture
def app_with(settings: Settings, make_app: MakeApp, tmp_path: Path) -> Any:
    """Makes an app whose key files hold these PEMs."""

    def make(*pems: bytes) -> Flask:
        paths = []
        for number, pem in enumerate(pems):
            paths.append(tmp_path / f"key-{number}.pem")
            paths[-1].write_bytes(pem)
        return make_app(replace(settings, token_key_files=",".join(map(str, paths))))

    return make


def me(app: Flask, headers: dict[str, str]) -> Any:
    return app.test_client().get("/me", headers=headers)


@pytest.mark.parametrize(("key", "algorithm"), [(ED25519, "EdDSA"), (RSA, "RS256")])
def test_a_key_signs_and_its_public_side_verifies(app_with: Any, key: Any, algorithm: str) -> None:
    app = app_with(private_pem(key))
    headers = bearer_headers(app, "viewer")
    assert me(app, headers).status_code == 200
    (jwk,) = app.test_client().get("/.well-known/jwks.json").get_json()["keys"]
    assert (jwk["alg"], jwk["use"], "d" in jwk) == (algorithm, "sig", False)
    token = headers["Authorization"].removeprefix("Bearer ")
    assert jwt.get_unverified_header(token)["kid"] == jwk["kid"]
    assert jwt.decode(token, jwt.PyJWK(jwk), [algorithm], audience="pulpo", issuer="pulpo")["name"] == "viewer"


def test_the_secret_shows_no_key(app: Flask) -> None:
    assert app.test_client().get("/.well-known/jwks.json").get_json() == {"keys": []}


def test_keys_change_without_a_logout(app: Flask, app_with: Any) -> None:
    by_secret, by_old = bearer_headers(app, "viewer"), bearer_headers(app_with(private_pem(RSA)), "viewer")
    newer = app_with(private_pem(ED25519), private_pem(RSA))
    assert [me(newer, headers).status_code for headers in (by_secret, by_old)] == [200, 200]
    only_newest = app_with(private_pem(ED25519))
    problem(me(only_newest, by_old), 401, "unauthenticated")
    problem(me(app, by_old), 401, "unauthenticated")


def test_a_public_key_only_verifies(app_with: Any) -> None:
    signer = app_with(private_pem(RSA))
    headers = bearer_headers(signer, "viewer")
    assert me(app_with(private_pem(ED25519), public_pem(RSA)), headers).status_code == 200
    with pytest.raises(InvalidSettings, match="the first key is a public one"):
        app_with(public_pem(RSA))


@pytest.mark.parametrize("key", [ED25519, RSA])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(app_with: Any, key: Any, algorithm: str) -> None:
    """The classic confusion: the public key, which all have, taken for the secret of HS256."""
    app = app_with(private_pem(key))
    genuine = bearer_headers(app, "admin")["Authorization"].removeprefix("Bearer ")
    for secret in (public_pem(key), public_pem(key).strip()):
        forged = signed_by_public_key(genuine, secret, algorithm)
        problem(me(app, {"Authorization": f"Bearer {forged}"}), 401, "unauthenticated")


def signed_by_public_key(genuine: str, public: bytes, algorithm: str) -> str:
    """The claims and key id of a genuine token, under an HMAC with the public key as its secret."""
    _, claims, _ = genuine.split(".")
    head = {"alg": algorithm, "kid": jwt.get_unverified_header(genuine)["kid"], "typ": "JWT"}
    signed = f"{jwt.utils.base64url_encode(json.dumps(head).encode()).decode()}.{claims}"
    signature = hmac.digest(public, signed.encode(), algorithm.replace("HS", "sha"))
    return f"{signed}.{jwt.utils.base64url_encode(signature).decode()}"


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"junk",
        b"-----BEGIN PRIVATE KEY-----\njunk\n-----END PRIVATE KEY-----\n",
        private_pem(RSA, b"a password"),
        private_pem(ec.generate_private_key(ec.SECP256R1())),
        private_pem(rsa.generate_private_key(65537, 1024)),
    ],
)
def test_what_is_no_key_for_tokens_is_a_faulty_setting(app_with: Any, pem: bytes) -> None:
    with pytest.raises(InvalidSettings, match=r"PULPO_TOKEN_KEY_FILES: .*key-0.pem holds no key that signs tokens"):
        app_with(pem)


def test_a_file_that_is_not_there_is_a_faulty_setting(settings: Settings, make_app: MakeApp) -> None:
    with pytest.raises(InvalidSettings, match=r"PULPO_TOKEN_KEY_FILES: nowhere.pem cannot be read"):
        make_app(replace(settings, token_key_files="nowhere.pem"))


def test_a_key_shows_nothing_of_itself(app_with: Any) -> None:
    app = app_with(private_pem(ED25519))
    shown = repr(list(app.extensions["pulpo"].tokens._keys.values()))
    assert "PRIVATE" not in shown
    assert SECRET not in shown
