"""Turns the credential that a request presents into the one who is calling."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.errors import Unauthenticated
from app.models import Principal, permissions_of
from app.services.ports import RevokedTokens, UserStore
from app.services.tokens import Tokens

TRUSTED_SECONDS = 2.0
MAX_REMEMBERED = 10_000


class _Known(msgspec.Struct, frozen=True):
    principal: Principal
    trusted_until: float  # on the monotonic clock, which no step of the other one can stretch


class Identities:
    """Remembers a verified token for 2 s at most, so that a hot one costs nothing and a revoked one dies soon."""

    def __init__(
        self,
        tokens: Tokens,
        users: UserStore,
        revoked: RevokedTokens,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._users = users
        self._revoked = revoked
        self._now = now
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}

    def of_token(self, token: str) -> Principal:
        """The caller that `token` stands for. Raises `Unauthenticated`, `StoreUnavailable`."""
        known = self._known.get(token)
        if known is None or self._monotonic() >= known.trusted_until:
            known = self._look_up(token)
        return known.principal

    def revoke(self, token: str) -> None:
        """Makes `token` count for nothing, here at once and on other nodes within 2 s."""
        claims = self._tokens.read(token)
        self._revoked.add(claims.token_id, expires_at=claims.expires_at)
        self._known.pop(token, None)

    def _look_up(self, token: str) -> _Known:
        self._known.pop(token, None)
        claims = self._tokens.read(token)
        account = self._users.by_id(claims.account_id)
        if (
            account is None
            or account.disabled
            or account.epoch != claims.epoch
            or self._revoked.contains(claims.token_id)
        ):
            raise Unauthenticated("The token was revoked; log in again.")
        principal = Principal(account.username, account.roles, permissions_of(account.roles, account.permissions))
        trusted_seconds = min(TRUSTED_SECONDS, claims.expires_at - self._now())
        known = _Known(principal, self._monotonic() + trusted_seconds)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[token] = known
        return known
