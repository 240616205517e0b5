"""The queues themselves in Redis: settings, totals, pauses, what lies in them, their end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from app.errors import Fault, Invalid, PreconditionFailed, StoreFull, StoreUnavailable
from app.models import (
    FOREVER_MS,
    MAX_DELAY_SECONDS,
    Configured,
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
from app.storage.lines import Servers
from app.storage.queue_index import QueueIndex
from app.storage.replies import counts_of, new_incarnation, queue_not_found
from app.storage.scripts import Script

WRONG_TAG = -1
FOR_GOOD = -1
OUT_OF_RANGE = -1

Form = TypeVar("Form", bound=msgspec.Struct)

_DEAD_TTL_MS = QueueSettings().dead_ttl_ms


class RedisQueueCatalog:
    """Speaks of bytes and milliseconds; checks no permission and no limit."""

    def __init__(self, servers: Servers, index: QueueIndex, *, prefix: str) -> None:
        self._servers = servers
        self._index = index
        self._prefix = prefix
        self._configure = Script("configure")
        self._describe = Script("describe")
        self._pause = Script("pause")
        self._delete = Script("delete")
        self._purge = Script("purge")
        self._peek = Script("peek")
        self._count = Script("count")

    def configure(self, queue: str, settings: QueueSettings, *, tags: Sequence[str] = ()) -> Configured:
        """Replaces the settings of a queue, which is made by that if there is none.

        Raises `TooManyQueues`, and `PreconditionFailed` if there are `tags` and the settings have none of them (`*`:
        the queue exists).
        """
        keys = QueueKeys.of(self._prefix, queue)
        given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
        if not tags:  # else it is there, or nothing is done
            self._index.add(queue)
        names = QueueSettings.__struct_fields__
        parts = (part for pair in given.items() for part in pair)
        args = [new_incarnation(), len(names), len(tags), *tags, *names, *parts]
        is_new, flat = self._configure.run(self._servers, [keys.queue], args)
        if is_new == WRONG_TAG:
            raise PreconditionFailed("The queue is not as If-Match says: it was changed since, or is not there.")
        if is_new:  # a deletion may have struck it off since
            self._index.keep(queue)
        own = _pairs(flat)
        return Configured(settings, _totals(own), _tag(own), bool(is_new))

    def describe(self, queue: str) -> QueueDescription:
        """All there is to say of a queue. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        return _description(self._run(self._describe, queue, [*keys.counted, keys.waiting], [_DEAD_TTL_MS]))

    def describe_each(self, queues: Sequence[str]) -> list[QueueDescription | None]:
        """The same of each of `queues`; None for one that is not there."""
        if not queues:
            return []
        all_keys = [QueueKeys.of(self._prefix, queue) for queue in queues]
        sets = [[*keys.counted, keys.waiting] for keys in all_keys]
        replies = self._describe.run_for_each(self._servers, sets, [_DEAD_TTL_MS])
        return [None if reply is None else _description(reply) for reply in replies]

    def pause(self, queue: str, operations: Sequence[Operation], *, until_ms: int) -> Pauses:
        """Stops `operations` until then (`FOREVER_MS`: for good); 0 lets them go on.

        Raises `QueueNotFound`, and `Invalid` unless the time lies within the coming year of Redis's clock.
        """
        keys = QueueKeys.of(self._prefix, queue)
        fields = [f"{operation}_paused_until" for operation in operations]
        until = FOR_GOOD if until_ms == FOREVER_MS else until_ms
        args = [until, MAX_DELAY_SECONDS * 1000, hint_channel(self._prefix), queue, _DEAD_TTL_MS, *fields]
        ends = self._run(self._pause, queue, [*keys.counted, keys.waiting], args)
        if ends == [OUT_OF_RANGE]:
            detail = f"until is a time to come, {MAX_DELAY_SECONDS} seconds ahead at most."
            raise Invalid(detail, faults=[Fault(detail, pointer="/until")])
        return _pauses(ends)

    def delete(self, queue: str) -> None:
        """Removes a queue and all that it holds. Raises `QueueNotFound`.

        Struck off first: a push that makes the queue anew lists it after that, whenever it comes.
        """
        self._index.remove(queue)
        try:
            existed = self._delete.run(self._servers, QueueKeys.of(self._prefix, queue).all_content, [])
        except StoreUnavailable:
            with suppress(StoreUnavailable, StoreFull):
                self._index.keep(queue)  # it is there still, as far as anybody knows
            raise
        if not existed:
            raise queue_not_found(queue)

    def purge(self, queue: str, state: MessageState | None) -> Purged:
        """Removes a thousand messages in `state`, or all in every state. Raises `QueueNotFound`."""
        keys = QueueKeys.of(self._prefix, queue)
        sets = [*keys.counted, keys.inflight, keys.dead_messages, keys.groups, keys.waiting]
        args = [state or "all", _DEAD_TTL_MS, hint_channel(self._prefix), queue]
        return Purged(*self._run(self._purge, queue, sets, args))

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
        replies = self._count.run_for_each(self._servers, keys, [_DEAD_TTL_MS, 1])
        return [None if reply is None else counts_of(reply) for reply in replies]

    def _run(self, script: Script, queue: str, keys: list[str], args: list[Any]) -> Any:
        reply = script.run(self._servers, keys, args)
        if reply is None:
            raise queue_not_found(queue)
        return reply


def _description(reply: Sequence[Any]) -> QueueDescription:
    """What `describe.lua` answers."""
    flat, counts, next_due, waiters, now_ms = reply
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
