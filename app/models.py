"""The words that every layer shares: messages, deliveries, queues, counts."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import Literal

import msgspec

DEFAULT_QUEUE = "default"
RECEIPT_CODE_LENGTH = 43
MAX_QUEUE_NAME_LENGTH = 80
QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_+/", b"+/!!")

MAX_BATCH = 1000
MAX_DELAY_SECONDS = 31_536_000
MAX_LEASE_SECONDS = 43_200
MAX_WAIT_SECONDS = 20

SettleStatus = Literal["acked", "nacked", "extended", "lease-lost", "message-not-found", "invalid", "forbidden"]
Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "normal", "low")


class NewMessage(msgspec.Struct, frozen=True):
    """A message on its way in. `content_type` None: the body is JSON. One `key` is pushed once within a window.

    `ttl_ms` None: the queue's own. Messages of a `group` are delivered in the order of their pushes, one at a time.
    `traceparent`: the trace that it belongs to (W3C Trace Context); it does not count when messages are compared.
    """

    body: bytes
    content_type: str | None = None
    delay_ms: int = 0
    key: str | None = None
    priority: Priority = "normal"
    ttl_ms: int | None = None
    group: str | None = None
    attributes: dict[str, str] = {}
    traceparent: str | None = None


class RequestKey(msgspec.Struct, frozen=True):
    """An idempotency key: what its caller did under it is not done again for a while."""

    caller: str
    key: str


class Pushed(msgspec.Struct, frozen=True):
    """The ids of the messages asked for, in their order, and how many of them were not there before."""

    ids: list[str]
    new: int


class Delivery(msgspec.Struct, frozen=True):
    """A message on its way out. `receipt` None: it was removed as it was delivered."""

    id: str
    body: bytes
    content_type: str | None
    attempt: int
    pushed_at_ms: int
    receipt: str | None = None
    priority: Priority = "normal"
    group: str | None = None
    attributes: dict[str, str] = {}
    traceparent: str | None = None


class Popped(msgspec.Struct, frozen=True):
    """What one pop took; `lease_expires_at_ms` None: nothing is leased.

    `due_in_ms`: where a waiting pop found nothing, when the next message falls due; None if none is known.
    `waited` False: the caller would have waited, and there was no place to. `is_paused`: nothing may be taken now.
    `is_clearing`: more messages whose time was over stood before the next one than could be cleared away.
    `is_replayed`: all of it was answered before, under the same key.
    """

    deliveries: tuple[Delivery, ...]
    lease_expires_at_ms: int | None = None
    due_in_ms: int | None = None
    waited: bool = True
    is_paused: bool = False
    is_clearing: bool = False
    is_replayed: bool = False


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a queue behaves; None: without a limit. The defaults hold for a queue that has no settings of its own."""

    lease_ms: int = 30_000
    max_attempts: int = 5
    backoff_base_ms: int = 1_000
    backoff_factor: float = 2.0
    backoff_max_ms: int = 300_000
    dead_max_messages: int = 10_000
    dead_ttl_ms: int = 14 * 86_400_000
    dedup_window_ms: int = 300_000
    max_messages: int | None = None
    max_bytes: int | None = None
    ttl_ms: int | None = None


class QueueTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a queue since it was made, in messages. A delivery counts each time."""

    pushed: int = 0
    delivered: int = 0
    acked: int = 0
    nacked: int = 0
    died: int = 0
    redriven: int = 0
    dead_dropped: int = 0
    purged: int = 0


class Counts(msgspec.Struct, frozen=True):
    """How many messages are in each state, at this moment on Redis's clock."""

    ready: int
    delayed: int
    leased: int
    dead: int
    bytes: int
    oldest_age_ms: int | None


Operation = Literal["push", "pop"]
MessageState = Literal["ready", "delayed", "leased", "dead"]
FOREVER_MS = 2**53 - 1  # what a score holds exactly


class Pauses(msgspec.Struct, frozen=True):
    """Until when pushes and pops are stopped; None: they are not; `FOREVER_MS`: until somebody lets them go on."""

    push_until_ms: int | None = None
    pop_until_ms: int | None = None


class QueueDescription(msgspec.Struct, frozen=True):
    """All there is to say of a queue.

    `tag` changes whenever its settings do; `next_due_at_ms`: when the next delay or lease ends; `waiters`: how many
    long polls wait, as their processes said within the last seconds.
    """

    settings: QueueSettings
    tag: str
    totals: QueueTotals
    counts: Counts
    pauses: Pauses
    next_due_at_ms: int | None
    waiters: int


class Configured(msgspec.Struct, frozen=True):
    """What a queue has after a change of its settings; whether the queue was made by it."""

    settings: QueueSettings
    totals: QueueTotals
    tag: str
    is_new: bool = False


class Purged(msgspec.Struct, frozen=True):
    """How many messages went, and how many of the same state are left."""

    gone: int
    remaining: int


class Peeked(msgspec.Struct, frozen=True):
    """A message that was looked at. `time_ms`: when its delay or its lease ends; None: it has neither."""

    message: Delivery
    time_ms: int | None


class PeekPage(msgspec.Struct, frozen=True):
    """Some messages, in the order of their delivery as far as there is one, and whether there are more behind them."""

    messages: list[Peeked]
    has_more: bool


class Receipt(msgspec.Struct, frozen=True):
    """The right to settle one delivery: the message's queue and id, and the delivery's nonce, which nobody can guess.

    A nonce is when the delivery was, 48 bits of milliseconds since 1970 on the clock of its node, and 80 random bits.

    As text: 43 characters of base64url for id and nonce, a dot, the queue's name.
    """

    queue: str
    message_id: bytes
    nonce: bytes

    def __str__(self) -> str:
        code = binascii.b2a_base64(self.message_id + self.nonce, newline=False)
        return f"{code.translate(_TO_URL, b'=').decode()}.{self.queue}"

    @classmethod
    def parse(cls, text: str) -> Receipt | None:
        """The receipt that `text` stands for; None if it stands for none."""
        code, _, queue = text.partition(".")
        if len(code) != RECEIPT_CODE_LENGTH or not is_queue_name(queue):
            return None
        try:
            raw = binascii.a2b_base64(code.encode().translate(_FROM_URL) + b"=", strict_mode=True)
        except ValueError:
            return None
        return cls(queue, raw[:16], raw[16:])

    @property
    def id(self) -> str:
        """The message's id as clients see it."""
        return format_id(self.message_id)

    @property
    def delivered_at_ms(self) -> int:
        """When the delivery was, as the text says: true only if the nonce proves to be."""
        return int.from_bytes(self.nonce[:6], "big")


class GiveBack(msgspec.Struct, frozen=True):
    """How a message is given back: `delay_ms` None waits the queue's backoff; `dead` buries it at once."""

    delay_ms: int | None = None
    dead: bool = False
    error: str = ""


class Settlement(msgspec.Struct, frozen=True):
    """What became of each of some receipts; `lease_expires_at_ms` is for those that were extended."""

    statuses: list[SettleStatus]
    lease_expires_at_ms: int | None = None


class Settled(msgspec.Struct, frozen=True):
    """What became of one receipt; `delivered_at_ms` is what it says, and true where it was settled."""

    status: SettleStatus
    id: str | None = None
    queue: str | None = None
    lease_expires_at_ms: int | None = None
    delivered_at_ms: int | None = None


DeadReason = Literal["max-attempts", "rejected", "expired"]


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that nobody will get, and why. `error` is what the last nack said, empty if it said nothing."""

    message: Delivery
    reason: DeadReason
    error: str
    died_at_ms: int


class DeadFilter(msgspec.Struct, frozen=True):
    """Which dead letters: those of one reason, that died strictly after and before two times."""

    reason: DeadReason | None = None
    after_ms: int | None = None
    before_ms: int | None = None


class DeadPage(msgspec.Struct, frozen=True):
    """Some dead letters, oldest death first, and whether there are more behind them."""

    letters: list[DeadLetter]
    has_more: bool


class Redriven(msgspec.Struct, frozen=True):
    """How many dead letters went back to their queue and how many of those asked for are left, at `now_ms`."""

    moved: int
    remaining: int
    now_ms: int


def is_queue_name(text: str) -> bool:
    """Whether a queue may be called `text`."""
    return len(text) <= MAX_QUEUE_NAME_LENGTH and _has_form_of_name(text)  # a long one must not stay in memory


@lru_cache(maxsize=1_024)
def _has_form_of_name(text: str) -> bool:
    return QUEUE_NAME.fullmatch(text) is not None


def format_id(message_id: bytes) -> str:
    """A message's id as clients see it: the canonical form of a UUID."""
    fours = message_id.hex("-", 2)  # 0193-abcd-…: all but three of these lines belong there
    return f"{fours[:4]}{fours[5:29]}{fours[30:34]}{fours[35:]}"
