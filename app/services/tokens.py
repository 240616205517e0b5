"""Signs and reads access tokens: JSON Web Tokens."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import jwt
import msgspec

from app.errors import Unauthenticated
from app.people import Account, Outsider
from app.services.token_keys import TokenKey

ISSUER = "pulpo"
AUDIENCE = "pulpo"
REQUIRED_CLAIMS = ["iss", "aud", "sub", "jti", "iat", "exp", "epoch"]


class Guest(msgspec.Struct, frozen=True):
    """Somebody from elsewhere, as they were when they logged in."""

    provider: str
    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says; times in seconds since 1970. `guest` None: the user table has the account."""

    account_id: str
    token_id: str
    epoch: int
    expires_at: int
    guest: Guest | None = None


class Issued(msgspec.Struct, frozen=True):
    """A token, good for `lifetime_seconds`."""

    token: str
    lifetime_seconds: int


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
        return self._sign(account.id, account.username, self.lifetime_seconds, {"epoch": account.epoch})

    def issue_to_guest(
        self, who: Outsider, *, roles: tuple[str, ...], permissions: tuple[str, ...], most_seconds: int
    ) -> Issued:
        """A token for somebody whom the user table does not hold, with what they may do in it."""
        seconds = min(self.lifetime_seconds, most_seconds)
        guest = {"provider": who.provider, "roles": roles, "permissions": permissions}
        return Issued(self._sign(who.account_id, who.username, seconds, {"epoch": 0, "guest": guest}), seconds)

    def knows(self, token: str) -> bool:
        """Whether `token` names a key of ours; anybody can write that, so it only says who is to read it."""
        try:
            return jwt.get_unverified_header(token).get("kid", "") in self._keys
        except (jwt.InvalidTokenError, TypeError):
            return True  # it is no token, and `read` says so

    def _sign(self, subject: str, name: str, lifetime_seconds: int, more: dict[str, Any]) -> str:
        issued_at = int(self._now())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "name": name,
            "jti": uuid.uuid4().hex,
            "iat": issued_at,
            "exp": issued_at + lifetime_seconds,
        }
        return jwt.encode(claims | more, self._signs, self._signing.algorithm, headers={"kid": self._signing.id})

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
            return Claims(claims["sub"], claims["jti"], claims["epoch"], claims["exp"], _guest(claims))
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; log in again.") from error
        except (jwt.InvalidTokenError, KeyError, TypeError) as error:
            raise Unauthenticated("The token is not valid; log in again.") from error


def _guest(claims: dict[str, Any]) -> Guest | None:
    guest = claims.get("guest")
    if guest is None:
        return None
    return Guest(guest["provider"], claims["name"], tuple(guest["roles"]), tuple(guest["permissions"]))
