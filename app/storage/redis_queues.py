"""The queues in Redis: each method is one script, so it happens whole or not at all."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from redis import Redis

from app.errors import Fault, IdempotencyKeyReused, QueueFull, QueueNotFound, StoreFull, StoreUnavailable
from app.models import (
    Counts,
    GiveBack,
    NewMessage,
    Popped,
    Pushed,
    QueueSettings,
    QueueTotals,
    Receipt,
    RequestKey,
    Settlement,
    SettleStatus,
    format_id,
)
from app.storage.envelope import ID_BYTES, seal, unseal
from app.storage.keys import QueueKeys, hint_channel, queue_index
from app.storage.redis_client import translating_errors
from app.storage.scripts import Script

ID_RANDOM_BYTES = 4
NONCE_BYTES = 16
INCARNATION_BYTES = 8
FULL, KEY_REUSED = -1, -2
WAITING_MARK_MS = 3_000  # a waiter looks every second, and so renews it
MAX_REMEMBERED_QUEUES = 10_000

Argument = bytes | str | int | float
Form = TypeVar("Form", bound=msgspec.Struct)

_DEFAULTS = QueueSettings()
_DEAD_DEFAULTS = (_DEFAULTS.dead_max_messages, _DEFAULTS.dead_ttl_ms)
_REFUSED: dict[int, SettleStatus] = {0: "message-not-found", -1: "lease-lost"}


class RedisQueueStore:
    """Speaks of bytes and milliseconds; checks no permission and no limit."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._channel = hint_channel(prefix)
        self._listed: set[str] = set()
        self._push = Script("push")
        self._pop = Script("pop")
        self._count = Script("count")
        self._configure = Script("configure")
        self._describe = Script("describe")
        self._ack = Script("ack")
        self._nack = Script("nack")
        self._extend = Script("extend")

    def push(self, queue: str, messages: Sequence[NewMessage], key: RequestKey | None) -> Pushed:
        """Adds `messages` in their order, all or none. Raises `QueueFull`, `IdempotencyKeyReused`."""
        was_listed = queue in self._listed
        if not was_listed:
            self._list(queue)
        is_new, *reply = self._push.run(self._client, *self._push_call(queue, messages, key))
        if is_new == FULL:
            limit, most = (part.decode() for part in reply)
            raise QueueFull(f"The queue {queue} would exceed its {limit} of {most}; pop or settle messages first.")
        if is_new == KEY_REUSED:
            raise _reused(messages, place=reply[0])
        if is_new and was_listed:  # it was deleted since
            self._listed.discard(queue)
            with suppress(StoreUnavailable, StoreFull):  # the messages are in; the next push lists the queue
                self._list(queue)
        new, *ids = reply
        return Pushed([format_id(message_id) for message_id in ids], new)

    def _push_call(
        self, queue: str, messages: Sequence[NewMessage], key: RequestKey | None
    ) -> tuple[list[str], list[Argument]]:
        keys = QueueKeys.of(self._prefix, queue)
        sets = [keys.queue, keys.delayed, *keys.ready, *keys.leased, keys.waiting]
        if key is not None:
            sets.append(keys.of_request(key.caller, key.key))
        items: list[Argument] = []
        for message in messages:
            tail = seal(message)
            items += [tail, message.delay_ms]
            if message.key is None:
                items.append("")
            else:
                sets.append(keys.of_message(message.key))
                items.append(_fingerprint(tail, message.delay_ms))
        fingerprint = b"" if key is None else _fingerprint(*items, *(message.key or "" for message in messages))
        random_bytes, window_ms = os.urandom(ID_RANDOM_BYTES), _DEFAULTS.dedup_window_ms
        head: list[Argument] = [random_bytes, _incarnation(), self._channel, queue, window_ms]
        return sets, [*head, fingerprint, *items]

    def pop(
        self, queue: str, *, limit: int, lease_ms: int | None, key: RequestKey | None, waits: bool = False
    ) -> Popped:
        """Takes up to `limit` messages. `lease_ms` 0 removes them, None leases for the queue's own time.

        Under a `key` that was used before, answers what was leased then, as far as it still is. Where there is nothing
        and the caller `waits`, what comes within the next seconds is told by a hint.
        """
        keys = QueueKeys.of(self._prefix, queue)
        lease_end, due_in_ms, nonce, *taken = self._pop.run(
            self._client,
            [*keys.all_states, *([] if key is None else [keys.of_pop(key.caller, key.key)])],
            [
                limit,
                -1 if lease_ms is None else lease_ms,
                os.urandom(NONCE_BYTES),
                WAITING_MARK_MS if waits else 0,
                _DEFAULTS.lease_ms,
                _DEFAULTS.max_attempts,
                *_DEAD_DEFAULTS,
            ],
        )
        deliveries = tuple(
            unseal(envelope, attempt=attempt, receipt=Receipt(queue, envelope[:ID_BYTES], nonce) if lease_end else None)
            for attempt, envelope in zip(taken[::2], taken[1::2], strict=True)
        )
        return Popped(deliveries, lease_end or None, None if due_in_ms < 0 else due_in_ms)

    def count(self, queue: str) -> Counts:
        """How many messages are in each state; a queue that does not exist holds none."""
        keys = QueueKeys.of(self._prefix, queue)
        ready, delayed, leased, dead, size, age = self._count.run(
            self._client,
            [keys.queue, keys.delayed, *keys.ready, *keys.leased, *keys.dead],
            [_DEFAULTS.dead_ttl_ms],
        )
        oldest = None if age < 0 else age
        return Counts(ready=ready, delayed=delayed, leased=leased, dead=dead, bytes=size, oldest_age_ms=oldest)

    def configure(self, queue: str, settings: QueueSettings) -> tuple[bool, QueueTotals]:
        """Replaces the settings of a queue; says whether the queue was made by that, and its totals."""
        keys = QueueKeys.of(self._prefix, queue)
        given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
        self._list(queue)
        names = QueueSettings.__struct_fields__
        args = [_incarnation(), len(names), *names, *(part for pair in given.items() for part in pair)]
        is_new, own = self._configure.run(self._client, [keys.queue], args)
        return bool(is_new), _totals(_pairs(own))

    def describe(self, queue: str) -> tuple[QueueSettings, QueueTotals]:
        """The settings that hold for a queue, and its totals. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        own = _pairs(self._describe.run(self._client, [keys.queue], []))
        if not own:
            raise QueueNotFound(f"There is no queue {queue}; a queue exists from its first push or its settings.")
        return _convert(own, QueueSettings), _totals(own)

    def ack(self, queue: str, receipts: Sequence[Receipt]) -> list[SettleStatus]:
        """Removes the messages that `receipts`, all of `queue`, still hold; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        sets = [keys.queue, keys.inflight, *keys.leased]
        results = _in_steps(receipts, lambda rest: self._ack.run(self._client, sets, _flat(rest)))
        return _statuses(results, "acked")

    def nack(self, queue: str, receipts: Sequence[Receipt], how: GiveBack) -> list[SettleStatus]:
        """Gives back the messages that `receipts`, all of `queue`, still hold; answers for each in order."""
        sets = QueueKeys.of(self._prefix, queue).all_states
        head: list[Argument] = [
            -1 if how.delay_ms is None else how.delay_ms,
            int(how.dead),
            how.error,
            random.random(),  # noqa: S311 - jitter keeps no secret  # nosec B311
            self._channel,
            queue,
            _DEFAULTS.backoff_base_ms,
            _DEFAULTS.backoff_factor,
            _DEFAULTS.backoff_max_ms,
            *_DEAD_DEFAULTS,
        ]
        results = _in_steps(receipts, lambda rest: self._nack.run(self._client, sets, [*head, *_flat(rest)]))
        return _statuses(results, "nacked")

    def extend(self, queue: str, receipts: Sequence[Receipt], *, lease_ms: int) -> Settlement:
        """Keeps what `receipts`, all of `queue`, still hold for `lease_ms` from now; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        ends: list[int] = []

        def step(rest: Sequence[Receipt]) -> list[int]:
            reply: list[int] = self._extend.run(
                self._client, [keys.queue, keys.inflight, *keys.leased], [lease_ms, *_flat(rest)]
            )
            ends.append(reply[0])
            return reply[1:]

        results = _in_steps(receipts, step)
        return Settlement(_statuses(results, "extended"), lease_expires_at_ms=min(ends))

    def _list(self, queue: str) -> None:
        # The index lies in another Cluster slot than the queue, so no script can keep both (decision 0003).
        with translating_errors():
            self._client.zadd(queue_index(self._prefix), {queue: 0})
        if len(self._listed) >= MAX_REMEMBERED_QUEUES:
            self._listed.clear()
        self._listed.add(queue)


def _fingerprint(*parts: Argument) -> bytes:
    """16 bytes that stand for `parts`, each set off by its length."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()[:16]


def _reused(messages: Sequence[NewMessage], *, place: int) -> IdempotencyKeyReused:
    if not place:
        return IdempotencyKeyReused("This Idempotency-Key came with another request before; take a new one.")
    detail = "This key came with another message before; take a new one."
    pointer = "/key" if len(messages) == 1 else f"/messages/{place - 1}/key"
    return IdempotencyKeyReused(detail, faults=[Fault(detail, pointer=pointer)])


def _incarnation() -> bytes:
    return os.urandom(INCARNATION_BYTES).hex().encode()


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _totals(own: dict[str, str]) -> QueueTotals:
    return _convert(own | {"pushed": own.get("sequence", "0")}, QueueTotals)


def _convert(fields: dict[str, str], form: type[Form]) -> Form:
    return msgspec.convert(fields, form, strict=False)


def _in_steps(receipts: Sequence[Receipt], step: Callable[[Sequence[Receipt]], list[int]]) -> list[int]:
    """The results for all receipts. A step answers for the first of them, up to 8 MiB of bodies (decision 0008)."""
    results: list[int] = []
    while len(results) < len(receipts):
        results += step(receipts[len(results) :])
    return results


def _flat(receipts: Sequence[Receipt]) -> list[bytes]:
    return [part for receipt in receipts for part in (receipt.message_id, receipt.nonce)]


def _statuses(results: Sequence[int], done: SettleStatus) -> list[SettleStatus]:
    return [_REFUSED.get(result, done) for result in results]
