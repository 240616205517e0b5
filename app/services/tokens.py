"""Signs and reads access tokens: JSON Web Tokens."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import jwt
import msgspec

from app.errors import Unauthenticated
from app.people import Account
from app.services.token_keys import TokenKey

ISSUER = "pulpo"
AUDIENCE = "pulpo"
REQUIRED_CLAIMS = ["iss", "aud", "sub", "jti", "iat", "exp", "epoch"]


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says; times in seconds since 1970."""

    account_id: str
    token_id: str
    epoch: int
    expires_at: int


class Tokens:
    """The first key signs; a token signed with any of them is read, so keys rotate without a logout."""

    def __init__(self, keys: Sequence[TokenKey], *, lifetime_seconds: int, now: Callable[[], float]) -> None:
        if keys[0].signs is None:
            raise ValueError("the first key is a public one, and has to sign")
        self._keys = {key.id: key for key in keys}
        self._signing, self._signs = keys[0], keys[0].signs
        self.lifetime_seconds = lifetime_seconds
        self._now = now

    def issue(self, account: Account) -> str:
        """A token for `account`, good for `lifetime_seconds`."""
        issued_at = int(self._now())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account.id,
            "name": account.username,
            "jti": uuid.uuid4().hex,
            "iat": issued_at,
            "exp": issued_at + self.lifetime_seconds,
            "epoch": account.epoch,
        }
        return jwt.encode(claims, self._signs, self._signing.algorithm, headers={"kid": self._signing.id})

    def public_keys(self) -> list[dict[str, Any]]:
        """What others need to verify tokens: the public keys as RFC 7517 has them; none of HS256."""
        return [jwk for key in self._keys.values() if (jwk := key.jwk()) is not None]

    def read(self, token: str) -> Claims:
        """What a token of ours says. Raises `Unauthenticated` if it is not ours or has expired."""
        try:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            # A token is not refused for being issued by a node whose clock is ahead of this one's.
            claims = jwt.decode(
                token,
                key.verifies,
                [key.algorithm],  # the key's own, whatever the token says
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": REQUIRED_CLAIMS, "verify_iat": False},
            )
            return Claims(claims["sub"], claims["jti"], claims["epoch"], claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; log in again.") from error
        except (jwt.InvalidTokenError, KeyError, TypeError) as error:
            raise Unauthenticated("The token is not valid; log in again.") from error
