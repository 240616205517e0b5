"""The public keys of an issuer: kept, fetched anew for a key that nobody knows, and not too often."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.errors import IdentityUnavailable
from app.providers.https import unavailable

log = logging.getLogger(__name__)

FRESH_SECONDS = 300.0  # then a key that was withdrawn is forgotten
STALE_SECONDS = 3600.0  # how long keys count while the issuer cannot be asked
PAUSE_SECONDS = 10.0  # between two fetches, whatever comes: anybody can send a token that names an unknown key
LEAST_RSA_BITS = 2048
SIGNATURES = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}  # no secret among them
)


class _Kept(msgspec.Struct, frozen=True):
    keys: dict[str, jwt.PyJWK]
    since: float


class Jwks:
    """Keys by id. One thread fetches; the others go on with what is there, and wait for the very first fetch only."""

    def __init__(self, fetch: Callable[[], dict[str, Any]], *, now: Callable[[], float]) -> None:
        """`fetch` answers a JSON Web Key Set or raises `IdentityUnavailable`; `now` is a monotonic clock."""
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._next_fetch = 0.0
        self._has_asked = False

    def key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of an id, or the only one where a token names none; None if there is none.

        Raises `IdentityUnavailable` if the issuer cannot be asked and nothing of it is known, or it is too old.
        """
        kept = self._kept
        if kept is None:
            # Else anybody's tokens would keep every thread at an issuer that is silent.
            kept = self._fetch_in_turn(wait=not self._has_asked)
        elif self._now() - kept.since > FRESH_SECONDS or _find(kept.keys, key_id) is None:
            kept = self._fetch_in_turn(wait=False)
        if kept is None or self._now() - kept.since > STALE_SECONDS:
            raise IdentityUnavailable("The identity provider's keys cannot be had now; try again later.")
        return _find(kept.keys, key_id)

    def _fetch_in_turn(self, *, wait: bool) -> _Kept | None:
        if self._lock.acquire(blocking=wait):
            try:
                if self._now() >= self._next_fetch:
                    self._refresh()
            finally:
                self._has_asked = True
                self._lock.release()
        return self._kept

    def _refresh(self) -> None:
        self._next_fetch = self._now() + PAUSE_SECONDS
        try:
            keys = usable(self._fetch())
        except IdentityUnavailable:
            return  # the log has it; what is kept may still do
        self._kept = _Kept(keys, self._now())


def usable(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    """The keys of a set that may verify tokens, by id. Raises `IdentityUnavailable` if it is no set."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise unavailable("its key set", "it has no list of keys")
    keys: dict[str, jwt.PyJWK] = {}
    for described in listed:
        try:
            key = jwt.PyJWK(described)
        # All that PyJWT raises for what is no key; the last one for a key of the algorithm "none".
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            log.info("a key of the identity provider cannot be used: %s", error)
            continue
        key_id = key.key_id or ""
        is_weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA_BITS
        is_for_signatures = key.algorithm_name in SIGNATURES and key.public_key_use in (None, "sig")
        if isinstance(key_id, str) and is_for_signatures and not is_weak:
            keys[key_id] = key
    return keys


def _find(keys: dict[str, jwt.PyJWK], key_id: str | None) -> jwt.PyJWK | None:
    if key_id is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id or "")
