"""Turns the credential that a request presents into the one who is calling."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.errors import Invalid, Unauthenticated
from app.people import Actor, Deed, OutsideToken, Principal, permissions_of
from app.services.identity.rights import Rights
from app.services.keys import PREFIX, Keys
from app.services.ports import IdentityProvider, RevokedTokens, UserStore
from app.services.tokens import Claims, Guest, Tokens

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
        keys: Keys,
        users: UserStore,
        revoked: RevokedTokens,
        *,
        provider: IdentityProvider | None = None,
        rights: Rights = Rights(),  # noqa: B008 - it is frozen
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._users = users
        self._revoked = revoked
        self._provider = provider
        self._rights = rights
        self._now = now
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}

    def of_token(self, token: str, *, afresh: bool = False) -> Principal:
        """The caller that `token`, or API key, stands for.

        Raises `Unauthenticated`, `StoreUnavailable`, `IdentityUnavailable`.

        Looked up `afresh` for what would outlast the 2 s: who may no more must not give themselves the right again.
        """
        known = self._known.get(token)
        if afresh or known is None or self._monotonic() >= known.trusted_until:
            known = self._look_up(token)
        return known.principal

    def revoke(self, token: str, *, by: Actor) -> None:
        """Makes `token` count for nothing, here at once and on other nodes within 2 s. Raises `Invalid` for a key."""
        if token.startswith(PREFIX):
            raise Invalid("An API key has no session to end; DELETE /keys/{id} revokes it.")
        token_id, expires_at = self._id_and_end(token)
        self._revoked.add(token_id, expires_at=expires_at, deed=Deed(by, "logout", by.name))
        self._known.pop(token, None)

    def _id_and_end(self, token: str) -> tuple[str, int]:
        if self._provider is not None and not self._tokens.knows(token):
            outside = self._provider.read(token)
            return outside.id, outside.expires_at
        claims = self._tokens.read(token)
        return claims.token_id, claims.expires_at

    def _look_up(self, token: str) -> _Known:
        self._known.pop(token, None)
        principal, expires_at = self._keys.principal(token) if token.startswith(PREFIX) else self._of_login(token)
        left = TRUSTED_SECONDS if expires_at is None else expires_at - self._now()
        known = _Known(principal, self._monotonic() + min(TRUSTED_SECONDS, left))
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[token] = known
        return known

    def _of_login(self, token: str) -> tuple[Principal, int]:
        if self._provider is not None and not self._tokens.knows(token):
            return self._of_issuer(self._provider.read(token))
        claims = self._tokens.read(token)
        if claims.guest is not None:
            return self._of_guest(claims, claims.guest)
        account = self._users.by_id(claims.account_id)
        if account is None or account.disabled or account.epoch != claims.epoch:
            raise _revoked()
        self._check_revoked(claims.token_id)
        permissions = permissions_of(account.roles, account.permissions)
        return Principal(account.id, account.username, account.roles, permissions), claims.expires_at

    def _of_guest(self, claims: Claims, guest: Guest) -> tuple[Principal, int]:
        if self._provider is None or self._provider.name != guest.provider:
            raise Unauthenticated("The token is of a provider that is no longer asked; log in again.")
        self._check_revoked(claims.token_id)
        permissions = permissions_of(guest.roles, guest.permissions)
        caller = Principal(claims.account_id, guest.username, guest.roles, permissions, provider=guest.provider)
        return caller, claims.expires_at

    def _of_issuer(self, token: OutsideToken) -> tuple[Principal, int]:
        self._check_revoked(token.id)
        who = token.who
        roles, permissions = self._rights.of(who)
        caller = Principal(
            who.account_id, who.username, roles, permissions_of(roles, permissions), provider=who.provider
        )
        return caller, token.expires_at

    def _check_revoked(self, token_id: str) -> None:
        if self._revoked.contains(token_id):
            raise _revoked()


def _revoked() -> Unauthenticated:
    return Unauthenticated("The token was revoked; log in again.")
