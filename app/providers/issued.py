"""Reads the access tokens of an issuer: signature, issuer, whom they are meant for, what they are, and how long."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import msgspec

from app.errors import Unauthenticated
from app.people import Outsider, OutsideToken, name_of_outsider
from app.providers.jwks import Jwks

LATEST = 2**40  # seconds; what is later is no time that a database or a clock can hold
LEEWAY_SECONDS = 10  # between the clocks of the issuer and of this machine
OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")
NO_ACCESS_TOKENS = {"ID", "Refresh", "Offline", "Logout"}  # what Keycloak calls them in `typ`


class Expected(msgspec.Struct, frozen=True):
    """What a token must say to count, and where it says who its bearer is.

    A token with an `aud` must name `audience` in it; one without must be of one of `clients`.
    """

    provider: str
    issuer: str
    audience: str | None
    clients: Sequence[str]
    name_claims: Sequence[str]
    groups_claim: str
    must_say_use: bool


def read(token: str, keys: Jwks, expected: Expected) -> OutsideToken:
    """What a verified token says. Raises `Unauthenticated`, `IdentityUnavailable`."""
    try:
        key = keys.key(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise Unauthenticated("The token is signed by a key that its issuer does not show; get a new one.")
        claims = jwt.decode(
            token,
            key,
            [key.algorithm_name],  # the key's own, whatever the token says
            issuer=expected.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "exp"], "verify_aud": False, "verify_iat": False},
        )
        _check(claims, expected)
        return OutsideToken(_who(claims, expected), _id(token, claims), int(claims["exp"]))
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("The token has expired; get a new one from its issuer.") from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise Unauthenticated("The token is not valid; get one from its issuer, or log in.") from error


def _check(claims: Mapping[str, Any], expected: Expected) -> None:
    if expected.must_say_use or "token_use" in claims:
        is_access = claims.get("token_use") == "access"
    else:
        is_access = claims.get("typ") not in NO_ACCESS_TOKENS
    if not is_access or any(claim in claims for claim in OF_ID_TOKENS):
        raise Unauthenticated("This is not an access token; send the access token, not the id token.")
    if not claims["exp"] < LATEST:
        raise ValueError("it never ends")
    if "aud" in claims:
        is_for_us = expected.audience is not None and expected.audience in _texts(claims["aud"])
    else:
        is_for_us = (claims.get("client_id") or claims.get("azp")) in expected.clients
    if not is_for_us:
        raise Unauthenticated("The token is meant for somebody else; ask its issuer for one for Pulpo.")


def _who(claims: Mapping[str, Any], expected: Expected) -> Outsider:
    subject = claims["sub"]
    names = (claims.get(name) for name in (*expected.name_claims, "sub"))
    name = next(name for name in names if isinstance(name, str) and name)
    return Outsider(
        expected.provider,
        f"{expected.issuer} {subject}",
        name_of_outsider(name),
        groups=_texts(_claim(claims, expected.groups_claim)),
        scopes=_texts(claims.get("scope"), split=True) + _texts(claims.get("scp"), split=True),
    )


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of a name, or else what dots lead to: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _texts(value: Any, *, split: bool = False) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split()) if split else (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _id(token: str, claims: Mapping[str, Any]) -> str:
    """What a logout remembers: of the signed part, since a signature can be spelt in several ways."""
    own = claims.get("jti")
    named = f"{claims['iss']} {own}" if isinstance(own, str) else token.rpartition(".")[0]
    return hashlib.sha256(named.encode()).hexdigest()[:32]
