"""What the services need of the world; storage has these shapes, and `create_app` joins the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from app.models import (
    Configured,
    Counts,
    DeadFilter,
    DeadLetter,
    DeadPage,
    GiveBack,
    MessageState,
    NewMessage,
    Operation,
    Pauses,
    PeekPage,
    Popped,
    Purged,
    Pushed,
    QueueDescription,
    QueueSettings,
    Receipt,
    Redriven,
    RequestKey,
    Settlement,
    SettleStatus,
)
from app.people import Account, AccountChange, Admitted, ApiKey, AuditEntry, AuditFilter, Deed, OutsideToken, Refusal


class QueueStore(Protocol):
    """The messages of the queues; every method is atomic. Each may raise `StoreUnavailable`, `push` also `StoreFull`.

    `push` may raise `QueueFull`, `QueuePaused`, `TooManyQueues`, `IdempotencyKeyReused`, `NotDurable`; `ack` the last.
    """

    def push(
        self, queue: str, messages: Sequence[NewMessage], key: RequestKey | None, *, durable: bool = False
    ) -> Pushed: ...
    def pop(
        self,
        queue: str,
        *,
        limit: int,
        lease_ms: int | None,
        key: RequestKey | None,
        waiters: int = 0,
        is_look: bool = False,
    ) -> Popped: ...
    def count(self, queue: str) -> Counts: ...
    def ack(self, queue: str, receipts: Sequence[Receipt], *, durable: bool = False) -> list[SettleStatus]: ...
    def nack(self, queue: str, receipts: Sequence[Receipt], how: GiveBack) -> list[SettleStatus]: ...
    def extend(self, queue: str, receipts: Sequence[Receipt], *, lease_ms: int) -> Settlement: ...


class CatalogStore(Protocol):
    """The queues themselves. Each may raise `StoreUnavailable`; all but `configure`, `page`, `counts` `QueueNotFound`.

    `configure` may raise `PreconditionFailed`, `TooManyQueues`, `StoreFull`; `pause` `Invalid`.
    """

    def configure(self, queue: str, settings: QueueSettings, *, tags: Sequence[str] = ()) -> Configured: ...
    def describe(self, queue: str) -> QueueDescription: ...
    def describe_each(self, queues: Sequence[str]) -> list[QueueDescription | None]: ...
    def pause(self, queue: str, operations: Sequence[Operation], *, until_ms: int) -> Pauses: ...
    def delete(self, queue: str) -> None: ...
    def purge(self, queue: str, state: MessageState | None) -> Purged: ...
    def peek(self, queue: str, state: MessageState, *, offset: int, limit: int) -> PeekPage: ...
    def page(self, *, after: str, limit: int) -> list[str]: ...
    def counts(self, queues: Sequence[str]) -> list[Counts | None]: ...


class Hints(Protocol):
    """Tells when messages come to a queue where somebody waits. A hint may be lost."""

    def listen(self, hint: Callable[[str, int], None]) -> None: ...


class Client(Protocol):
    """Who waits for an answer, as far as can be seen."""

    def has_left(self) -> bool: ...
    def telling(self, tell: Callable[[], None]) -> AbstractContextManager[None]:
        """While the block runs, has `tell` called once they leave, by another thread; where that can be seen."""


class DeadLetterStore(Protocol):
    """The dead letters of the queues. Each raises `QueueNotFound`, `StoreUnavailable`."""

    def page(self, queue: str, which: DeadFilter, *, limit: int, cursor: tuple[int, UUID] | None) -> DeadPage: ...
    def one(self, queue: str, message_id: UUID, *, remove: bool) -> DeadLetter | None: ...
    def redrive(self, queue: str, which: DeadFilter, ids: Sequence[UUID], *, limit: int) -> Redriven: ...


class UserStore(Protocol):
    """The user table; each method may raise `StoreUnavailable`. Usernames are compared as they are spelt.

    `add` raises `Conflict` if the name is taken, `change` and `remove` if no admin would be left.
    """

    def by_id(self, account_id: str) -> Account | None: ...
    def credentials(self, username: str) -> tuple[Account, str] | None: ...
    def all(self) -> list[Account]: ...
    def page(self, *, after: str, limit: int) -> list[Account]: ...
    def add(self, account: Account, password_hash: str, deed: Deed) -> None: ...
    def add_first(self, account: Account, password_hash: str, deed: Deed) -> bool: ...
    def change(self, username: str, change: AccountChange, deed: Deed) -> Account | None: ...
    def rehash(self, account_id: str, old_hash: str, new_hash: str) -> None: ...
    def remove(self, username: str, deed: Deed) -> bool: ...


class RevokedTokens(Protocol):
    """The tokens that were logged out, kept until they would have expired. Each may raise `StoreUnavailable`."""

    def add(self, token_id: str, *, expires_at: int, deed: Deed) -> None: ...
    def contains(self, token_id: str) -> bool: ...


class IdentityProvider(Protocol):
    """Knows users whom the user table does not. Each method may raise `IdentityUnavailable`, within some seconds.

    `name` goes before the names of its users; `advice` is a sentence for whoever a login refuses; `bare` is a name
    without what it may be spelt with or without. `read` is about tokens of its own and raises `Unauthenticated` of
    any other.
    """

    @property
    def name(self) -> str: ...
    @property
    def advice(self) -> str: ...
    def bare(self, username: str) -> str: ...
    def login(self, username: str, password: str) -> Admitted | Refusal: ...
    def read(self, token: str) -> OutsideToken: ...


class KeyStore(Protocol):
    """The API keys, without their secrets; each method may raise `StoreUnavailable`, `add` also `Conflict`."""

    def with_owner(self, key_id: str) -> tuple[ApiKey, Account] | None: ...
    def page(self, *, owner: str | None, after: str, limit: int) -> list[ApiKey]: ...
    def add(self, key: ApiKey, deed: Deed) -> None: ...
    def remove(self, key_id: str, *, owner_id: str | None, deed: Deed) -> bool: ...
    def touch(self, key_id: str, minute: int) -> None: ...


class LoginLimits(Protocol):
    """How often somebody may be refused before they have to wait, in seconds (0: they may try). Never fails.

    `begin` counts a try as refused until it has `succeeded`, so that tries at one time do not go past a limit.
    `unanswered` takes that back where nobody could say whether it was right.
    """

    def wait_seconds(self, username: str, address: str) -> int: ...
    def begin(self, username: str, address: str) -> int: ...
    def failed(self, username: str, address: str) -> None: ...
    def unanswered(self, username: str, address: str) -> None: ...
    def succeeded(self, username: str, address: str) -> None: ...


class AuditLog(Protocol):
    """Who did what; each method but `record_done` may raise `StoreUnavailable`."""

    def record(self, deed: Deed) -> None: ...
    def record_done(self, deed: Deed) -> None: ...
    def record_refusal(self, deed: Deed) -> None: ...
    def page(self, which: AuditFilter, *, limit: int, before: int | None) -> list[AuditEntry]: ...


class RedisProbe(Protocol):
    """Looks at Redis itself: `write` says what is wrong with a part of it, and raises where nothing takes a write."""

    def write(self) -> str | None: ...
    def dangers(self) -> dict[str, str | None]: ...
    def measures(self) -> dict[str, dict[str, float]]: ...
    def describe(self) -> dict[str, object]: ...


class UserTableProbe(Protocol):
    """Looks at the user table itself; raises `StoreUnavailable` when it cannot be read."""

    def read(self) -> None: ...
