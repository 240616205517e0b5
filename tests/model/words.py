"""What the model of a queue speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from app.models import DeadReason, NewMessage

REASONS: tuple[DeadReason, ...] = ("max-attempts", "rejected", "expired")

Asked = TypeVar("Asked")


class Refused(Exception):
    """The queue does not do it, and nothing changed; `what` names the limit or the key that stands against it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(slots=True)
class Message:
    """`number` counts pushes from 1; `attempts` counts deliveries.

    `clock_ms`, if it has a time to live: while it is ready, when that is over; else what is left of it.
    """

    number: int
    asked: NewMessage
    pushed_at_ms: int
    ttl_ms: int | None
    clock_ms: int | None
    attempts: int = 0

    @property
    def body(self) -> bytes:
        return self.asked.body

    @property
    def group(self) -> str | None:
        return self.asked.group


class Receipt(NamedTuple):
    """The right to settle one delivery; deliveries are numbered through the life of the queue."""

    number: int
    delivery: int


@dataclass(slots=True)
class Lease:
    """A delivery that is not settled. The last one is never repeated."""

    message: Message
    receipt: Receipt
    ends_ms: int
    is_last: bool


class Letter(NamedTuple):
    """A message that nobody will get."""

    died_at_ms: int
    message: Message
    reason: DeadReason
    error: str

    @property
    def order(self) -> tuple[int, int]:
        return self.died_at_ms, self.message.number


class Record(NamedTuple, Generic[Asked]):
    """What was asked under a key, and the messages that answered it."""

    asked: Asked
    numbers: list[int]
    until_ms: int


class Pushed(NamedTuple):
    numbers: list[int]
    new: int


class Popped(NamedTuple):
    """What a pop took, each with its receipt if it is leased; how long until something falls due, if nothing did."""

    taken: list[tuple[Message, Receipt | None]]
    lease_expires_at_ms: int | None
    due_in_ms: int | None
    is_paused: bool = False


class Counts(NamedTuple):
    ready: int
    delayed: int
    leased: int
    dead: int
    bytes: int
    oldest_age_ms: int | None
