"""The words for who is calling, what they may do, and what they did."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

import msgspec
from msgspec import UNSET, UnsetType

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 1024
PASSWORD_RULE = f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters."
USERNAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")
TYPED_NAME = re.compile(r"[\w.@+'~-]{1,128}")  # what is worth asking a provider for
OUTSIDE_NAME = re.compile(r"[\w.@+'~-]{1,64}")  # what fits the audit log with the provider before it

MAX_STARS = 4
QUEUE_ACTIONS = frozenset({"push", "pop", "count", "peek", "manage"})
GLOBAL_ACTIONS = frozenset({"system", "admin"})
ROLES: dict[str, tuple[str, ...]] = {
    "admin": ("push:*", "pop:*", "count:*", "peek:*", "manage:*", "system", "admin"),
    "producer": ("push:*", "count:*"),
    "consumer": ("pop:*", "count:*", "peek:*"),
    "viewer": ("count:*", "system"),
}


class Account(msgspec.Struct, frozen=True):
    """A row of the user table, without its password. `epoch` grows whenever older tokens must die."""

    id: str
    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    disabled: bool
    epoch: int


class AccountChange(msgspec.Struct, frozen=True):
    """What is to be different about an account; UNSET stays as it is."""

    password_hash: str | UnsetType = UNSET
    roles: tuple[str, ...] | UnsetType = UNSET
    permissions: tuple[str, ...] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET

    @property
    def ends_sessions(self) -> bool:
        """Whether tokens issued before must die. Roles and permissions are looked up anew anyway."""
        return self.password_hash is not UNSET or self.disabled is not UNSET

    def __repr__(self) -> str:
        return "AccountChange(…)"


class ApiKey(msgspec.Struct, frozen=True):
    """A credential for machines, without its secret; times in seconds since 1970. Acts for its owner, within theirs."""

    id: str
    owner_id: str
    owner: str
    name: str
    permissions: tuple[str, ...]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None


class Principal(msgspec.Struct, frozen=True):
    """Who is calling and what they may do; permissions are `action:pattern`, `system` or `admin`.

    `key_id` None: they logged in. Else a machine calls, which may do what its key says as far as `within` says so, too.
    `provider` None: they are of the user table. Else it is what knows them.
    """

    account_id: str
    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    key_id: str | None = None
    within: tuple[str, ...] | None = None
    provider: str | None = None

    def may(self, action: str, queue: str | None = None) -> bool:
        """Whether some permission names `action`, and a pattern that fits `queue` where there is one."""
        queue = queue and queue[:100]  # so that what is remembered stays small; no longer name is a queue's
        return _is_granted(self.permissions, action, queue) and (
            self.within is None or _is_granted(self.within, action, queue)
        )


class Outsider(msgspec.Struct, frozen=True):
    """Somebody whom a provider knows. `subject` is its own id of them, which nobody else ever gets there."""

    provider: str
    subject: str
    name: str
    groups: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    @property
    def account_id(self) -> str:
        """Who they are to Pulpo; the colon keeps it apart from the ids of the user table."""
        return f"{self.provider}:{hashlib.sha256(self.subject.encode(errors='surrogatepass')).hexdigest()[:32]}"

    @property
    def username(self) -> str:
        """What the logs call them; no name of the user table has a colon."""
        return f"{self.provider}:{self.name}"


class Admitted(msgspec.Struct, frozen=True):
    """A login that a provider lets in: who it is, and its token for them if it makes tokens itself."""

    who: Outsider
    token: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A login that a provider refuses. `reason` is for the audit log alone; `name` if it knows of such a user."""

    reason: str
    name: str | None = None


class OutsideToken(msgspec.Struct, frozen=True):
    """What a provider's verified token says; `expires_at` in seconds since 1970, `id` its own or made of it."""

    who: Outsider
    id: str
    expires_at: int


class Actor(msgspec.Struct, frozen=True):
    """Who does something, for the audit log: a user, `user/key`, or `cli`; and from where, by which request."""

    name: str
    address: str = ""
    request_id: str = ""


class Deed(msgspec.Struct, frozen=True):
    """Something for the audit log: what was done to what. `detail` holds no secret."""

    actor: Actor
    action: str
    target: str
    outcome: str = "done"
    detail: str = ""


class AuditEntry(msgspec.Struct, frozen=True):
    """A line of the audit log; `times` more than 1: so many refused logins of one address and minute."""

    id: int
    at_ms: int
    actor: str
    address: str
    request_id: str
    action: str
    target: str
    outcome: str
    detail: str
    times: int


class AuditFilter(msgspec.Struct, frozen=True):
    """Which entries: of one actor, action, target, strictly after and before two times."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    after_ms: int | None = None
    before_ms: int | None = None


def name_of_outsider(text: str) -> str:
    """`text` if it can stand for somebody in a log, else a name made of it."""
    return text if OUTSIDE_NAME.fullmatch(text) else hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def is_password(text: str) -> bool:
    """Whether `text` is long enough for a password, and not too long."""
    return MIN_PASSWORD_LENGTH <= len(text) <= MAX_PASSWORD_LENGTH


def is_permission(text: str) -> bool:
    """Whether `text` is a permission: `system`, `admin`, or `action:pattern`."""
    action, colon, pattern = text.partition(":")
    if not colon:
        return action in GLOBAL_ACTIONS
    # Few stars, so that no pattern makes the matching slow.
    is_pattern = re.fullmatch(r"[A-Za-z0-9._*-]{1,80}", pattern) is not None and pattern.count("*") <= MAX_STARS
    return action in QUEUE_ACTIONS and is_pattern


def permissions_of(roles: tuple[str, ...], permissions: tuple[str, ...]) -> tuple[str, ...]:
    """All that roles and single permissions grant, in order and once each."""
    granted = [permission for role in roles for permission in ROLES.get(role, ())]
    return tuple(dict.fromkeys([*granted, *permissions]))


def covers(granted: tuple[str, ...], permission: str) -> bool:
    """Whether `granted` allows all that `permission` does. A star of its pattern is covered by a star only."""
    action, _, pattern = permission.partition(":")
    return _is_granted(granted, action, pattern or None)


@lru_cache(maxsize=10_000)
def _is_granted(permissions: tuple[str, ...], action: str, queue: str | None) -> bool:
    if queue is None:
        return action in permissions
    return any(
        granted == action and _pattern(pattern).fullmatch(queue)
        for granted, _, pattern in (permission.partition(":") for permission in permissions)
    )


@lru_cache(maxsize=1_000)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in glob.split("*")), re.DOTALL)
