"""The queues themselves in Redis: settings, totals, pauses, what lies in them, their end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from redis import Redis

from app.errors import PreconditionFailed, QueueNotFound, StoreFull, StoreUnavailable
from app.models import (
    Counts,
    MessageState,
    Operation,
    Pauses,
    Peeked,
    PeekPage,
    Purged,
    QueueDescription,
    QueueSettings,
    QueueTotals,
)
from app.storage.envelope import unseal
from app.storage.keys import QueueKeys, hint_channel
from app.storage.queue_index import QueueIndex
from app.storage.scripts import Script

INCARNATION_BYTES = 8
WRONG_TAG = -1

Form = TypeVar("Form", bound=msgspec.Struct)

_DEAD_TTL_MS = QueueSettings().dead_ttl_ms


class RedisQueueCatalog:
    """Speaks of bytes and milliseconds; checks no permission and no limit."""

    def __init__(self, client: Redis, index: QueueIndex, *, prefix: str) -> None:
        self._client = client
        self._index = index
        self._prefix = prefix
        self._configure = Script("configure")
        self._describe = Script("describe")
        self._pause = Script("pause")
        self._delete = Script("delete")
        self._purge = Script("purge")
        self._peek = Script("peek")
        self._count = Script("count")

    def configure(
        self, queue: str, settings: QueueSettings, *, tags: Sequence[str] = ()
    ) -> tuple[bool, QueueTotals, str]:
        """Replaces the settings of a queue; says whether the queue was made by that, its totals and its new tag.

        Raises `PreconditionFailed` if there are `tags` and the settings have none of them (`*`: the queue exists).
        """
        keys = QueueKeys.of(self._prefix, queue)
        given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
        if not tags:  # else it is there, or nothing is done
            self._index.add(queue)
        names = QueueSettings.__struct_fields__
        parts = (part for pair in given.items() for part in pair)
        args = [new_incarnation(), len(names), len(tags), *tags, *names, *parts]
        is_new, flat = self._configure.run(self._client, [keys.queue], args)
        if is_new == WRONG_TAG:
            raise PreconditionFailed("The queue is not as If-Match says: it was changed since, or is not there.")
        own = _pairs(flat)
        return bool(is_new), _totals(own), _tag(own)

    def describe(self, queue: str) -> QueueDescription:
        """All there is to say of a queue. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        flat, counts, next_due, waiters, now_ms = self._run(
            self._describe, queue, [*keys.counted, keys.waiting], [_DEAD_TTL_MS]
        )
        own = _pairs(flat)
        pauses = [int(own.get(f"{name}_paused_until", 0)) for name in ("push", "pop")]
        return QueueDescription(
            settings=_convert(own, QueueSettings),
            tag=_tag(own),
            totals=_totals(own),
            counts=counts_of(counts),
            pauses=_pauses([until if until > now_ms else 0 for until in pauses]),
            next_due_at_ms=None if next_due < 0 else next_due,
            waiters=waiters,
        )

    def pause(self, queue: str, operations: Sequence[Operation], *, until_ms: int) -> Pauses:
        """Stops `operations` until then; `until_ms` 0 lets them go on. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        fields = [f"{operation}_paused_until" for operation in operations]
        args = [until_ms, hint_channel(self._prefix), queue, _DEAD_TTL_MS, *fields]
        return _pauses(self._run(self._pause, queue, [*keys.counted, keys.waiting], args))

    def delete(self, queue: str) -> None:
        """Removes a queue and all that it holds. Raises `QueueNotFound`.

        Struck off first: a push that makes the queue anew lists it after that, whenever it comes.
        """
        self._index.remove(queue)
        try:
            existed = self._delete.run(self._client, QueueKeys.of(self._prefix, queue).all_states, [])
        except StoreUnavailable:
            with suppress(StoreUnavailable, StoreFull):
                self._index.add(queue)  # it is there still, as far as anybody knows
            raise
        if not existed:
            raise _not_found(queue)

    def purge(self, queue: str, state: MessageState | None) -> Purged:
        """Removes a thousand messages in `state`, or all in every state. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        sets = [*keys.counted, keys.inflight, keys.dead_messages, keys.groups]
        return Purged(*self._run(self._purge, queue, sets, [state or "all", _DEAD_TTL_MS]))

    def peek(self, queue: str, state: MessageState, *, offset: int, limit: int) -> PeekPage:
        """Up to `limit` messages in `state`, after `offset` others. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        has_more, *flat = self._run(self._peek, queue, [*keys.counted, keys.inflight], [state, offset, limit])
        found = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        messages = [
            Peeked(unseal(envelope, attempt=attempts, receipt=None), time_ms or None)
            for time_ms, attempts, envelope in found
        ]
        return PeekPage(messages, bool(has_more))

    def page(self, *, after: str, limit: int) -> list[str]:
        """Up to `limit` names of queues in the order of their bytes, beyond `after`."""
        return self._index.page(after=after, limit=limit)

    def counts(self, queues: Sequence[str]) -> list[Counts | None]:
        """What each of `queues` holds; None for one that is not there."""
        if not queues:
            return []
        keys = [QueueKeys.of(self._prefix, queue).counted for queue in queues]
        replies = self._count.run_for_each(self._client, keys, [_DEAD_TTL_MS, 1])
        return [None if reply is None else counts_of(reply) for reply in replies]

    def _run(self, script: Script, queue: str, keys: list[str], args: list[Any]) -> Any:
        reply = script.run(self._client, keys, args)
        if reply is None:
            raise _not_found(queue)
        return reply


def new_incarnation() -> bytes:
    """What tells a queue from one of the same name that was there before."""
    return os.urandom(INCARNATION_BYTES).hex().encode()


def counts_of(reply: Sequence[int]) -> Counts:
    """What `counts.lua` answers."""
    ready, delayed, leased, dead, size, age = reply
    oldest = None if age < 0 else age
    return Counts(ready=ready, delayed=delayed, leased=leased, dead=dead, bytes=size, oldest_age_ms=oldest)


def _not_found(queue: str) -> QueueNotFound:
    return QueueNotFound(f"There is no queue {queue}; a queue exists from its first push or its settings.")


def _pauses(ends: Sequence[int]) -> Pauses:
    return Pauses(*(until or None for until in ends))


def _tag(own: dict[str, str]) -> str:
    return f"{own['incarnation']}-{own.get('revision', '0')}"


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _totals(own: dict[str, str]) -> QueueTotals:
    return _convert(own | {"pushed": own.get("sequence", "0")}, QueueTotals)


def _convert(fields: dict[str, str], form: type[Form]) -> Form:
    return msgspec.convert(fields, form, strict=False)
