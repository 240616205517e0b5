"""API keys: credentials for machines that act for a user, within what that user may do."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence

from app.errors import Fault, Forbidden, Invalid, NotFound, Unauthenticated
from app.people import Account, Actor, ApiKey, Deed, Principal, covers, permissions_of
from app.services.accounts import faults_of
from app.services.ports import KeyStore

PREFIX = "pulpo_"
ID_BYTES = 12
KEY_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")
LONGEST_KEY = 128
MINUTE_SECONDS = 60


class Keys:
    """Makes, checks and revokes keys. The secret of one is an HMAC of its id, so that nothing secret is kept.

    The first secret of the settings makes keys; one made with any of them is good, so that secrets rotate.
    """

    def __init__(self, store: KeyStore, master_secrets: Sequence[str], *, now: Callable[[], float]) -> None:
        self._store = store
        self._masters = tuple(master_secrets)
        self._now = now

    def add(
        self, caller: Principal, name: str, *, permissions: tuple[str, ...], expires_in: int | None, by: Actor
    ) -> tuple[ApiKey, str]:
        """A new key of `caller` and its secret, which nobody can see again; `expires_in` seconds, None: for good.

        Raises `Invalid`, and `Forbidden` if it would allow more than its owner may.
        """
        faults = faults_of(permissions)
        if faults:
            raise Invalid("The key is not valid: " + "; ".join(fault.detail for fault in faults) + ".", faults=faults)
        wider = [permission for permission in permissions if not covers(caller.permissions, permission)]
        if wider:
            detail = f"You may not do {', '.join(wider)} yourself."
            raise Forbidden(detail, faults=[Fault(detail, pointer="/permissions")])
        now = int(self._now())
        expires_at = None if expires_in is None else now + expires_in
        key = ApiKey(
            secrets.token_hex(ID_BYTES), caller.account_id, caller.username, name, permissions, now, expires_at
        )
        self._store.add(key, Deed(by, "key.add", key.id, detail=f"{name}: {' '.join(permissions)}"))
        return key, _secret(self._masters[0], key.id)

    def page(self, *, owner: str | None, after: str, limit: int) -> list[ApiKey]:
        """Up to `limit` keys by id, beyond the id `after`: of one user, or (None) of all."""
        return self._store.page(owner=owner, after=after, limit=limit)

    def remove(self, caller: Principal, key_id: str, *, by: Actor) -> None:
        """Revokes a key of `caller`, or of anybody if they may manage users. Raises `NotFound`."""
        owner = None if caller.may("admin") else caller.account_id
        if not KEY_ID.fullmatch(key_id) or not self._store.remove(
            key_id, owner_id=owner, deed=Deed(by, "key.remove", key_id)
        ):
            raise NotFound("There is no key of this id.")

    def principal(self, credential: str) -> tuple[Principal, int | None]:
        """Who `credential` stands for, and until when (seconds since 1970, None: for good).

        Raises `Unauthenticated`.
        """
        key_id, _, secret = credential[:LONGEST_KEY].removeprefix(PREFIX).partition("_")
        # Every master is compared, and the same is done for an id that there is not.
        is_ours = [hmac.compare_digest(_secret(master, key_id).encode(), secret.encode()) for master in self._masters]
        found = self._store.with_owner(key_id) if any(is_ours) else None
        if found is None:
            raise Unauthenticated("The API key is not valid, or was revoked.")
        key, owner = found
        now = int(self._now())
        if owner.disabled or (key.expires_at is not None and key.expires_at <= now):
            raise Unauthenticated("The API key has expired, or its user is disabled.")
        minute = now // MINUTE_SECONDS * MINUTE_SECONDS
        if key.last_used_at != minute:
            self._store.touch(key.id, minute)
        return _principal(key, owner), key.expires_at


def credential_of(key_id: str, secret: str) -> str:
    """What a machine sends as its Bearer credential."""
    return f"{PREFIX}{key_id}_{secret}"


def _principal(key: ApiKey, owner: Account) -> Principal:
    within = permissions_of(owner.roles, owner.permissions)
    return Principal(owner.id, owner.username, (), key.permissions, key_id=key.id, within=within)


def _secret(master: str, key_id: str) -> str:
    return hmac.new(master.encode(), b"pulpo api key:" + key_id.encode(), hashlib.sha256).hexdigest()
