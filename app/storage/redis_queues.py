"""The queues in Redis: each method is one script, so it happens whole or not at all."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from app.errors import (
    Fault,
    IdempotencyKeyReused,
    NotDurable,
    QueueFull,
    QueuePaused,
    StoreFull,
    StoreUnavailable,
)
from app.models import (
    PRIORITIES,
    Counts,
    GiveBack,
    NewMessage,
    Popped,
    Pushed,
    QueueSettings,
    Receipt,
    RequestKey,
    Settlement,
    SettleStatus,
    format_id,
)
from app.storage.envelope import ID_BYTES, NEWER, newer_layout, seal, unseal
from app.storage.keys import QueueKeys, hint_channel
from app.storage.lines import Commands, Servers
from app.storage.queue_index import QueueIndex
from app.storage.redis_client import translating_errors
from app.storage.redis_proof import DurabilityProof
from app.storage.replies import counts_of, new_incarnation
from app.storage.scripts import Script

ID_RANDOM_BYTES = 4
NONCE_TIME_BYTES, NONCE_RANDOM_BYTES = 6, 10
NAME_BYTES = 8
FULL, KEY_REUSED, PAUSED = -1, -2, -3
NOTHING_WHILE_PAUSED = -1
WAITING_MARK_MS = 3_000  # a waiter looks every second, and so renews it
CLEARING_SECONDS = 1.0

PUSH_NOT_PROVEN = (
    "It was not proven in time that the messages are safe. They may be in the queue; push again with the same"
    " Idempotency-Key to ask for the proof again."
)
ACK_NOT_PROVEN = (
    "It was not proven in time that the acks are safe. The messages are gone; they come back, with other receipts, only"
    " if a server takes over, or starts from its disk, that does not know it."
)

Argument = bytes | str | int | float
Done = TypeVar("Done")

_DEFAULTS = QueueSettings()
_LEASE_DEFAULTS = (_DEFAULTS.lease_ms, _DEFAULTS.max_attempts)
_DEAD_DEFAULTS = (_DEFAULTS.dead_max_messages, _DEFAULTS.dead_ttl_ms)
_REFUSED: dict[int, SettleStatus] = {0: "message-not-found", -1: "lease-lost"}


class RedisQueueStore:
    """Speaks of bytes and milliseconds; checks no permission and no limit."""

    def __init__(self, servers: Servers, index: QueueIndex, proof: DurabilityProof, *, prefix: str) -> None:
        self._servers = servers
        self._index = index
        self._proof = proof
        self._prefix = prefix
        self._channel = hint_channel(prefix)
        self._name = os.urandom(NAME_BYTES).hex()
        self._push = Script("push")
        self._push_one = Script("push_one")
        self._pop = Script("pop")
        self._pop_one = Script("pop_one")
        self._count = Script("count")
        self._ack = Script("ack")
        self._ack_one = Script("ack_one")
        self._nack = Script("nack")
        self._extend = Script("extend")

    def push(
        self, queue: str, messages: Sequence[NewMessage], key: RequestKey | None, *, durable: bool = False
    ) -> Pushed:
        """Adds `messages` in their order, all or none; if `durable`, returns once they are safe.

        Raises `QueueFull`, `QueuePaused`, `TooManyQueues`, `IdempotencyKeyReused`, `NotDurable`.
        """
        if not durable:
            return self._push_by(self._servers, queue, messages, key)
        pushed, is_safe = self._proven(queue, lambda held: self._push_by(held, queue, messages, key, must_write=True))
        if not is_safe:
            raise NotDurable(PUSH_NOT_PROVEN, ids=pushed.ids)
        return pushed

    def _proven(self, queue: str, write: Callable[[Commands], Done]) -> tuple[Done, bool]:
        """What `write` did, and whether that is proven safe. Raises `NotDurable`, before, if nothing proves it."""
        # It connects at once; and the proof is of what one connection wrote.
        with translating_errors(), self._servers.hold(QueueKeys.of(self._prefix, queue).queue) as held:
            by_waiting = self._proof.check(held.redis)
            done = write(held)
            return done, self._proof.prove(held.redis, by_waiting=by_waiting)

    def _push_by(
        self,
        client: Commands,
        queue: str,
        messages: Sequence[NewMessage],
        key: RequestKey | None,
        *,
        must_write: bool = False,
    ) -> Pushed:
        # The index lies in another Cluster slot than the queue, so no script can keep both (decision 0003).
        is_plain = key is None and not must_write and _is_plain(messages)
        call = None if is_plain else self._push_call(queue, messages, key, must_write=must_write)
        if queue not in self._index:
            self._index.add(queue)
        reply = self._try_push_one(client, queue, messages[0]) if is_plain else None
        if reply is None:
            call = call or self._push_call(queue, messages, key, must_write=must_write)
            reply = self._push.run(client, *call)
        pushed, is_new = self._pushed(queue, messages, reply)
        if is_new:  # a deletion may have struck it off since
            with suppress(StoreUnavailable, StoreFull):  # they are in; the next push lists the queue
                self._index.keep(queue)
        return pushed

    def _try_push_one(self, client: Commands, queue: str, message: NewMessage) -> Any:
        """What `push_one.lua` answers; None if there is more to do than it can."""
        keys = QueueKeys.of(self._prefix, queue)
        sets = [keys.queue, keys.ready[PRIORITIES.index(message.priority)], keys.waiting]
        return self._push_one.run(client, sets, [seal(message), _id_tail(), self._channel, queue])

    def _pushed(self, queue: str, messages: Sequence[NewMessage], reply: list[Any]) -> tuple[Pushed, bool]:
        """What `push.lua` answers, and whether it made the queue."""
        is_new, *rest = reply
        if is_new == FULL:
            limit, most = (part.decode() for part in rest)
            raise QueueFull(f"The queue {queue} would exceed its {limit} of {most}; pop or settle messages first.")
        if is_new == KEY_REUSED:
            raise _reused(messages, place=rest[0])
        if is_new == PAUSED:
            raise QueuePaused(f"{queue} is paused; GET /queues/{queue} says until when, POST …/resume ends it.")
        new, *ids = rest
        return Pushed([format_id(message_id) for message_id in ids], new), bool(is_new)

    def _push_call(
        self, queue: str, messages: Sequence[NewMessage], key: RequestKey | None, *, must_write: bool
    ) -> tuple[list[str], list[Argument]]:
        keys = QueueKeys.of(self._prefix, queue)
        sets = keys.of_push
        if key is not None:
            sets.append(keys.request_record(key.caller, key.key))
        items: list[Argument] = []
        marks: dict[str, bytes] = {}
        for place, message in enumerate(messages, 1):
            items += [seal(message), message.delay_ms]
            if message.key is None:
                items.append("")
                continue
            mark = _fingerprint(message)
            if marks.setdefault(message.key, mark) != mark:
                raise _reused(messages, place=place)
            sets.append(keys.message_record(message.key))
            items.append(mark)
        fingerprint = b"" if key is None else _fingerprint(*messages)
        random_bytes, window_ms = _id_tail(), _DEFAULTS.dedup_window_ms
        head: list[Argument] = [random_bytes, new_incarnation(), self._channel, queue, window_ms]
        return sets, [*head, fingerprint, int(must_write), *items]

    def pop(
        self,
        queue: str,
        *,
        limit: int,
        lease_ms: int | None,
        key: RequestKey | None,
        waiters: int = 0,
        is_look: bool = False,
    ) -> Popped:
        """Takes up to `limit` messages. `lease_ms` 0 removes them, None leases for the queue's own time.

        Under a `key` that was used before, answers what was leased then, as far as it still is. Where there is nothing
        and callers wait, `waiters` of them here, what comes within the next seconds is told by a hint. `is_look`: there
        most likely is nothing.
        """
        deadline = time.monotonic() + CLEARING_SECONDS
        while True:
            popped = self._pop_once(queue, limit=limit, lease_ms=lease_ms, key=key, waiters=waiters, is_look=is_look)
            # There may be more messages to clear away, whose time to live is over, than one step may.
            if not popped.is_clearing or time.monotonic() > deadline:
                return popped

    def _pop_once(
        self, queue: str, *, limit: int, lease_ms: int | None, key: RequestKey | None, waiters: int, is_look: bool
    ) -> Popped:
        reply, new_nonce = None, _nonce()
        is_plain = limit == 1 and lease_ms != 0 and key is None
        if is_plain and not is_look:  # most pops, and most of these find a message (decision 0016)
            args = [-1 if lease_ms is None else lease_ms, new_nonce, *_LEASE_DEFAULTS]
            reply = self._pop_one.run(self._servers, QueueKeys.of(self._prefix, queue).of_pop_one, args)
        if reply is None:
            reply = self._pop_any(queue, new_nonce, limit=limit, lease_ms=lease_ms, key=key, waiters=waiters)
        lease_end, due_in_ms, nonce, *taken = reply
        if lease_end == NEWER:
            raise newer_layout()
        is_leased = lease_end > 0
        deliveries = tuple(
            unseal(envelope, attempt=attempt, receipt=Receipt(queue, envelope[:ID_BYTES], nonce) if is_leased else None)
            for attempt, envelope in zip(taken[::2], taken[1::2], strict=True)
        )
        return Popped(
            deliveries,
            lease_expires_at_ms=lease_end if is_leased else None,
            due_in_ms=None if due_in_ms < 0 else due_in_ms,
            is_paused=lease_end == NOTHING_WHILE_PAUSED,
            is_clearing=not deliveries and due_in_ms == 0,
            is_replayed=nonce != new_nonce,
        )

    def _pop_any(
        self, queue: str, nonce: bytes, *, limit: int, lease_ms: int | None, key: RequestKey | None, waiters: int
    ) -> Any:
        """What `pop.lua` answers."""
        keys = QueueKeys.of(self._prefix, queue)
        sets = [*keys.all_states, *([] if key is None else [keys.pop_record(key.caller, key.key)])]
        args: list[Argument] = [
            limit,
            -1 if lease_ms is None else lease_ms,
            nonce,
            WAITING_MARK_MS if waiters else 0,
            f"{self._name}-{os.getpid()}",  # workers are forked with one name
            waiters,
            *_LEASE_DEFAULTS,
            *_DEAD_DEFAULTS,
            self._channel,
            queue,
        ]
        return self._pop.run(self._servers, sets, args)

    def count(self, queue: str) -> Counts:
        """How many messages are in each state; a queue that does not exist holds none."""
        keys = QueueKeys.of(self._prefix, queue).counted
        return counts_of(self._count.run(self._servers, keys, [_DEFAULTS.dead_ttl_ms, 0]))

    def ack(self, queue: str, receipts: Sequence[Receipt], *, durable: bool = False) -> list[SettleStatus]:
        """Removes the messages that `receipts`, all of `queue`, still hold; answers for each in order.

        If `durable`, returns once they cannot come back. Raises `NotDurable`.
        """
        if not durable:
            return self._ack_by(self._servers, queue, receipts)
        results, is_safe = self._proven(queue, lambda held: self._ack_by(held, queue, receipts))
        if not is_safe and (
            gone := [each for each, result in zip(receipts, results, strict=True) if result == "acked"]
        ):
            raise NotDurable(ACK_NOT_PROVEN, ids=[format_id(receipt.message_id) for receipt in gone])
        return results

    def _ack_by(self, client: Commands, queue: str, receipts: Sequence[Receipt]) -> list[SettleStatus]:
        keys = QueueKeys.of(self._prefix, queue)
        if len(receipts) == 1:  # as most acks have (decision 0016)
            result = self._ack_one.run(client, keys.of_ack_one, _flat(receipts))
            if result is not None:
                return _statuses([result], "acked")
        sets, head = keys.of_ack, [self._channel, queue]
        results = _in_steps(receipts, lambda rest: self._ack.run(client, sets, [*head, *_flat(rest)]))
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
        results = _in_steps(receipts, lambda rest: self._nack.run(self._servers, sets, [*head, *_flat(rest)]))
        return _statuses(results, "nacked")

    def extend(self, queue: str, receipts: Sequence[Receipt], *, lease_ms: int) -> Settlement:
        """Keeps what `receipts`, all of `queue`, still hold for `lease_ms` from now; answers for each in order."""
        keys = QueueKeys.of(self._prefix, queue)
        ends: list[int] = []

        def step(rest: Sequence[Receipt]) -> list[int]:
            reply: list[int] = self._extend.run(
                self._servers, [keys.queue, keys.inflight, *keys.leased], [lease_ms, *_flat(rest)]
            )
            ends.append(reply[0])
            return reply[1:]

        results = _in_steps(receipts, step)
        return Settlement(_statuses(results, "extended"), lease_expires_at_ms=min(ends))


def _id_tail() -> bytes:
    """What keeps apart the ids of two queues that make one at the same time; it need not be hard to guess."""
    return random.getrandbits(8 * ID_RANDOM_BYTES).to_bytes(ID_RANDOM_BYTES, "big")  # it keeps no secret  # nosec B311


def _nonce() -> bytes:
    """What nobody can guess, of a delivery that is made now (`Receipt`)."""
    return (time.time_ns() // 1_000_000).to_bytes(NONCE_TIME_BYTES, "big") + os.urandom(NONCE_RANDOM_BYTES)


def _is_plain(messages: Sequence[NewMessage]) -> bool:
    """Whether it is one message of which nothing is said that `push_one.lua` would have to mind."""
    first = messages[0]
    return len(messages) == 1 and not (first.delay_ms or first.key or first.ttl_ms or first.group)


def _fingerprint(*messages: NewMessage) -> bytes:
    """16 bytes that stand for `messages`, whatever trace they belong to: who sends again does so in a new span."""
    digest = hashlib.sha256()
    for message in messages:
        tail = seal(message if message.traceparent is None else msgspec.structs.replace(message, traceparent=None))
        for part in (tail, str(message.delay_ms).encode(), (message.key or "").encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()[:16]


def _reused(messages: Sequence[NewMessage], *, place: int) -> IdempotencyKeyReused:
    if not place:
        return IdempotencyKeyReused("This Idempotency-Key came with another request before; take a new one.")
    detail = "This key came with another message before; take a new one."
    pointer = "/key" if len(messages) == 1 else f"/messages/{place - 1}/key"
    return IdempotencyKeyReused(detail, faults=[Fault(detail, pointer=pointer)])


def _in_steps(receipts: Sequence[Receipt], step: Callable[[Sequence[Receipt]], list[int]]) -> list[int]:
    """The results for all receipts. A step answers for the first of them, up to 8 MiB of bodies (decision 0008)."""
    results: list[int] = []
    while len(results) < len(receipts):
        results += step(receipts[len(results) :])
    return results


def _flat(receipts: Sequence[Receipt]) -> list[bytes]:
    return [part for receipt in receipts for part in (receipt.message_id, receipt.nonce)]


def _statuses(results: Sequence[int], done: SettleStatus) -> list[SettleStatus]:
    if NEWER in results:
        raise newer_layout()
    return [_REFUSED.get(result, done) for result in results]
