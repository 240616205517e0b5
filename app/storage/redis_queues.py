"""The queues in Redis: each method is one script, so it happens whole or not at all."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from redis import Redis

from app.errors import QueueFull, QueueNotFound, StoreUnavailable
from app.models import (
    Counts,
    GiveBack,
    NewMessage,
    Popped,
    QueueSettings,
    QueueTotals,
    Receipt,
    Settlement,
    SettleStatus,
)
from app.storage.envelope import ID_BYTES, format_id, seal, unseal
from app.storage.keys import QueueKeys, hint_channel, queue_index
from app.storage.redis_client import translating_errors
from app.storage.scripts import Script

ID_RANDOM_BYTES = 4
NONCE_BYTES = 16
INCARNATION_BYTES = 8
FULL = -1
WAITING_MARK_MS = 3_000  # a waiter looks every second, and so renews it
MAX_REMEMBERED_QUEUES = 10_000

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

    def push(self, queue: str, messages: Sequence[NewMessage]) -> list[str]:
        """Adds `messages` in their order, all or none; returns their ids."""
        keys = QueueKeys.of(self._prefix, queue)
        was_listed = queue in self._listed
        if not was_listed:
            self._list(queue)
        args: list[bytes | int | str] = [os.urandom(ID_RANDOM_BYTES), _incarnation(), self._channel, queue]
        for message in messages:
            args += (seal(message), message.delay_ms)
        sets = [keys.stats, keys.settings, keys.delayed, *keys.ready, *keys.leased, keys.waiting]
        is_new, *reply = self._push.run(self._client, sets, args)
        if is_new == FULL:
            limit, most = (part.decode() for part in reply)
            raise QueueFull(f"The queue {queue} would exceed its {limit} of {most}; pop or settle messages first.")
        if is_new and was_listed:  # it was deleted since
            self._listed.discard(queue)
            with suppress(StoreUnavailable):  # the messages are in; the next push lists the queue
                self._list(queue)
        return [format_id(message_id) for message_id in reply]

    def pop(self, queue: str, *, limit: int, lease_ms: int | None, waits: bool = False) -> Popped:
        """Takes up to `limit` messages. `lease_ms` 0 removes them, None leases for the queue's own time.

        Where there is none and the caller `waits`, what comes within the next seconds is told by a hint.
        """
        keys = QueueKeys.of(self._prefix, queue)
        nonce = os.urandom(NONCE_BYTES)
        lease_end, due_in_ms, *taken = self._pop.run(
            self._client,
            keys.all_states,
            [
                limit,
                -1 if lease_ms is None else lease_ms,
                nonce,
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
            self._client, [keys.stats, keys.delayed, *keys.ready, *keys.leased, *keys.dead], []
        )
        oldest = None if age < 0 else age
        return Counts(ready=ready, delayed=delayed, leased=leased, dead=dead, bytes=size, oldest_age_ms=oldest)

    def configure(self, queue: str, settings: QueueSettings) -> tuple[bool, QueueTotals]:
        """Replaces the settings of a queue; says whether the queue was made by that, and its totals."""
        keys = QueueKeys.of(self._prefix, queue)
        given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
        self._list(queue)
        args = [_incarnation(), *(part for pair in given.items() for part in pair)]
        is_new, stats = self._configure.run(self._client, [keys.stats, keys.settings], args)
        return bool(is_new), _totals(stats)

    def describe(self, queue: str) -> tuple[QueueSettings, QueueTotals]:
        """The settings that hold for a queue, and its totals. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        found = self._describe.run(self._client, [keys.stats, keys.settings], [])
        if found is None:
            raise QueueNotFound(f"There is no queue {queue}; a queue exists from its first push or its settings.")
        settings, stats = found
        return _convert(_pairs(settings), QueueSettings), _totals(stats)

    def ack(self, queue: str, receipts: Sequence[Receipt]) -> list[SettleStatus]:
        """Removes the messages that `receipts`, all of `queue`, still hold; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        results = self._ack.run(self._client, [keys.stats, keys.inflight, *keys.leased], _flat(receipts))
        return _statuses(results, "acked")

    def nack(self, queue: str, receipts: Sequence[Receipt], how: GiveBack) -> list[SettleStatus]:
        """Gives back the messages that `receipts`, all of `queue`, still hold; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        args: list[bytes | str | int | float] = [
            -1 if how.delay_ms is None else how.delay_ms,
            int(how.dead),
            how.error,
            random.random(),  # noqa: S311 - jitter keeps no secret
            self._channel,
            queue,
            _DEFAULTS.backoff_base_ms,
            _DEFAULTS.backoff_factor,
            _DEFAULTS.backoff_max_ms,
            *_DEAD_DEFAULTS,
            *_flat(receipts),
        ]
        return _statuses(self._nack.run(self._client, keys.all_states, args), "nacked")

    def extend(self, queue: str, receipts: Sequence[Receipt], *, lease_ms: int) -> Settlement:
        """Keeps what `receipts`, all of `queue`, still hold for `lease_ms` from now; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        ends, *results = self._extend.run(self._client, [keys.inflight, *keys.leased], [lease_ms, *_flat(receipts)])
        return Settlement(_statuses(results, "extended"), lease_expires_at_ms=ends)

    def _list(self, queue: str) -> None:
        # The index lies in another Cluster slot than the queue, so no script can keep both (decision 0003).
        with translating_errors():
            self._client.zadd(queue_index(self._prefix), {queue: 0})
        if len(self._listed) >= MAX_REMEMBERED_QUEUES:
            self._listed.clear()
        self._listed.add(queue)


def _incarnation() -> bytes:
    return os.urandom(INCARNATION_BYTES).hex().encode()


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _totals(stats: Sequence[bytes]) -> QueueTotals:
    counters = _pairs(stats)
    return _convert(counters | {"pushed": counters.get("sequence", "0")}, QueueTotals)


def _convert(fields: dict[str, str], form: type[Form]) -> Form:
    return msgspec.convert(fields, form, strict=False)


def _flat(receipts: Sequence[Receipt]) -> list[bytes]:
    return [part for receipt in receipts for part in (receipt.message_id, receipt.nonce)]


def _statuses(results: Sequence[int], done: SettleStatus) -> list[SettleStatus]:
    return [_REFUSED.get(result, done) for result in results]
