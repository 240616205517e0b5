"""The queues in Redis: each method is one script, so it happens whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence

from redis import Redis

from app.models import Counts, NewMessage, Popped, QueueSettings, Receipt, SettleStatus
from app.storage.envelope import ID_BYTES, format_id, seal, unseal
from app.storage.keys import QueueKeys, queue_index
from app.storage.redis_client import translating_errors
from app.storage.scripts import Script

ID_RANDOM_BYTES = 4
NONCE_BYTES = 16
INCARNATION_BYTES = 8
MAX_REMEMBERED_QUEUES = 10_000

_DEFAULTS = QueueSettings()
_SETTLE_STATUSES: dict[int, SettleStatus] = {1: "acked", 0: "message-not-found", -1: "lease-lost"}


class RedisQueueStore:
    """Speaks of bytes and milliseconds; checks no permission and no limit."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._listed: set[str] = set()
        self._push = Script("push")
        self._pop = Script("pop")
        self._count = Script("count")
        self._ack = Script("ack")

    def push(self, queue: str, messages: Sequence[NewMessage]) -> list[str]:
        """Adds `messages` in their order, all or none; returns their ids."""
        keys = QueueKeys.of(self._prefix, queue)
        if queue not in self._listed:
            self._list(queue)
        args: list[bytes | int] = [os.urandom(ID_RANDOM_BYTES), os.urandom(INCARNATION_BYTES).hex().encode()]
        for message in messages:
            args += (seal(message), message.delay_ms)
        is_new, *ids = self._push.run(self._client, [keys.stats, keys.delayed, *keys.ready], args)
        if is_new:
            self._list(queue)
        return [format_id(message_id) for message_id in ids]

    def pop(self, queue: str, *, limit: int, lease_ms: int | None) -> Popped:
        """Takes up to `limit` messages. `lease_ms` 0 removes them, None leases for the queue's own time."""
        keys = QueueKeys.of(self._prefix, queue)
        nonce = os.urandom(NONCE_BYTES)
        lease_end, *taken = self._pop.run(
            self._client,
            [
                keys.stats,
                keys.settings,
                keys.delayed,
                keys.inflight,
                keys.dead,
                keys.dead_messages,
                *keys.ready,
                *keys.leased,
            ],
            [
                limit,
                -1 if lease_ms is None else lease_ms,
                nonce,
                _DEFAULTS.lease_ms,
                _DEFAULTS.max_attempts,
                _DEFAULTS.dead_max_messages,
                _DEFAULTS.dead_ttl_ms,
            ],
        )
        deliveries = tuple(
            unseal(envelope, attempt=attempt, receipt=Receipt(queue, envelope[:ID_BYTES], nonce) if lease_end else None)
            for attempt, envelope in zip(taken[::2], taken[1::2], strict=True)
        )
        return Popped(deliveries, lease_expires_at_ms=lease_end or None)

    def count(self, queue: str) -> Counts:
        """How many messages are in each state; a queue that does not exist holds none."""
        keys = QueueKeys.of(self._prefix, queue)
        ready, delayed, leased, dead, size, age = self._count.run(
            self._client, [keys.stats, keys.delayed, keys.dead, *keys.ready, *keys.leased], []
        )
        oldest = None if age < 0 else age
        return Counts(ready=ready, delayed=delayed, leased=leased, dead=dead, bytes=size, oldest_age_ms=oldest)

    def ack(self, queue: str, receipts: Sequence[Receipt]) -> list[SettleStatus]:
        """Removes the messages that `receipts`, all of `queue`, still hold; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        args = [part for receipt in receipts for part in (receipt.message_id, receipt.nonce)]
        results = self._ack.run(self._client, [keys.stats, keys.inflight, *keys.leased], args)
        return [_SETTLE_STATUSES[result] for result in results]

    def _list(self, queue: str) -> None:
        # The index lies in another Cluster slot than the queue, so no script can keep both (decision 0003).
        with translating_errors():
            self._client.zadd(queue_index(self._prefix), {queue: 0})
        if len(self._listed) >= MAX_REMEMBERED_QUEUES:
            self._listed.clear()
        self._listed.add(queue)
