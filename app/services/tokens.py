"""Signs and reads access tokens: JSON Web Tokens with HS256."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence

import jwt
import msgspec

from app.errors import Unauthenticated
from app.models import Account

ISSUER = "pulpo"
AUDIENCE = "pulpo"
ALGORITHM = "HS256"
REQUIRED_CLAIMS = ["iss", "aud", "sub", "jti", "iat", "exp", "epoch"]


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says; times in seconds since 1970."""

    account_id: str
    token_id: str
    epoch: int
    expires_at: int


class Tokens:
    """The first secret signs; a token signed with any of them is read, so secrets rotate without a logout."""

    def __init__(self, secrets: Sequence[str], *, lifetime_seconds: int, now: Callable[[], float]) -> None:
        self._keys = {_key_id(secret): secret for secret in secrets}
        self._signing_id = _key_id(secrets[0])
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
        return jwt.encode(claims, self._keys[self._signing_id], ALGORITHM, headers={"kid": self._signing_id})

    def read(self, token: str) -> Claims:
        """What a token of ours says. Raises `Unauthenticated` if it is not ours or has expired."""
        try:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            # A token is not refused for being issued by a node whose clock is ahead of this one's.
            claims = jwt.decode(
                token,
                key,
                [ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": REQUIRED_CLAIMS, "verify_iat": False},
            )
            return Claims(claims["sub"], claims["jti"], claims["epoch"], claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; log in again.") from error
        except (jwt.InvalidTokenError, KeyError, TypeError) as error:
            raise Unauthenticated("The token is not valid; log in again.") from error


def _key_id(secret: str) -> str:
    return hashlib.sha256(b"pulpo key id:" + secret.encode()).hexdigest()[:8]
