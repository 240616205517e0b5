"""The rules of the queues themselves: settings, pauses, what lies in them, and their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from app import patience
from app.errors import Conflict, PreconditionFailed
from app.models import (
    FOREVER_MS,
    Configured,
    Counts,
    MessageState,
    Operation,
    Pauses,
    PeekPage,
    Purged,
    QueueDescription,
    QueueSettings,
)
from app.people import Actor, Deed, Principal
from app.services.names import check_queue_name
from app.services.ports import AuditLog, CatalogStore

MAX_SECONDS = 3.0
CHANGE_TRIES = 5
NAMES_AT_ONCE = 1000
DESCRIBED_AT_ONCE = 250

Told = TypeVar("Told", Counts, QueueDescription)


class QueueCatalog:
    """Every queue there is, by name. All methods that name one, but `configure`, raise `QueueNotFound`."""

    def __init__(self, store: CatalogStore, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    def configure(self, queue: str, settings: QueueSettings, *, tags: Sequence[str], by: Actor) -> Configured:
        """Gives a queue its settings in place of those it has; makes the queue if there is none.

        Raises `TooManyQueues`, and `PreconditionFailed` if there are `tags` and the settings have none of them (`*`:
        the queue exists).
        """
        check_queue_name(queue)
        answer = self._store.configure(queue, settings, tags=tags)
        self._audit.record_done(Deed(by, "queue.configure", queue, detail=_changed(settings)))
        return answer

    def change(
        self,
        queue: str,
        change: Callable[[QueueSettings], QueueSettings],
        *,
        tags: Sequence[str],
        by: Actor,
    ) -> Configured:
        """Changes the settings that a queue has, as they are at that moment.

        Raises `PreconditionFailed` as `configure` does, `Conflict` if others change them all the time.
        """
        for _ in range(CHANGE_TRIES):
            known = self.describe(queue)
            if tags and "*" not in tags and known.tag not in tags:
                raise PreconditionFailed("The queue is not as If-Match says: it was changed since.")
            settings = change(known.settings)
            try:
                changed = self._store.configure(queue, settings, tags=[known.tag])
            except PreconditionFailed:
                continue  # somebody was quicker: look again
            self._audit.record_done(Deed(by, "queue.configure", queue, detail=_changed(settings)))
            return changed
        raise Conflict("Others change this queue at the same time; try again.")

    def describe(self, queue: str) -> QueueDescription:
        """All there is to say of a queue."""
        check_queue_name(queue)
        return self._store.describe(queue)

    def describe_all(self) -> Iterator[tuple[str, QueueDescription]]:
        """Name and description of every queue, by name, some hundreds to a call."""
        names = [""]
        while names:
            patience.renew()  # there may be a hundred thousand
            names = self._store.page(after=names[-1], limit=DESCRIBED_AT_ONCE)
            for name, known in zip(names, self._store.describe_each(names), strict=True):
                if known is not None:
                    yield name, known

    def pause(self, queue: str, operations: Sequence[Operation], *, until_ms: int | None, by: Actor) -> Pauses:
        """Stops `operations`, until a time (else `Invalid`: within the coming year) or until somebody resumes them."""
        check_queue_name(queue)
        pauses = self._store.pause(queue, operations, until_ms=FOREVER_MS if until_ms is None else until_ms)
        self._audit.record_done(Deed(by, "queue.pause", queue, detail=" ".join(operations)))
        return pauses

    def resume(self, queue: str, operations: Sequence[Operation], *, by: Actor) -> Pauses:
        """Lets `operations` go on."""
        check_queue_name(queue)
        pauses = self._store.pause(queue, operations, until_ms=0)
        self._audit.record_done(Deed(by, "queue.resume", queue, detail=" ".join(operations)))
        return pauses

    def delete(self, queue: str, *, by: Actor) -> None:
        """Removes a queue and all that it holds."""
        check_queue_name(queue)
        self._store.delete(queue)
        self._audit.record_done(Deed(by, "queue.delete", queue))

    def purge(self, queue: str, state: MessageState | None, *, by: Actor) -> Purged:
        """Empties a queue: all at once, or what is in one `state`, a thousand to a step, so that Redis is not blocked.

        Ends once as many went as were there at first, or after 3 s, and says how many are left.
        """
        check_queue_name(queue)
        total = self._purge(queue, state)
        self._audit.record_done(Deed(by, "queue.purge", queue, detail=f"{state or 'all'}: {total.gone} gone"))
        return total

    def _purge(self, queue: str, state: MessageState | None) -> Purged:
        started = time.monotonic()
        total = self._store.purge(queue, state)
        held = total.gone + total.remaining
        while total.remaining and total.gone < held and time.monotonic() - started < MAX_SECONDS:
            step = self._store.purge(queue, state)
            total = Purged(total.gone + step.gone, step.remaining)
        return total

    def peek(self, queue: str, state: MessageState, *, offset: int, limit: int) -> PeekPage:
        """Up to `limit` messages in `state`, after `offset` others; nothing changes by it."""
        check_queue_name(queue)
        return self._store.peek(queue, state, offset=offset, limit=limit)

    def page(self, caller: Principal, *, after: str, limit: int) -> tuple[list[tuple[str, Counts]], str | None]:
        """Up to `limit` of the queues that `caller` may count, by name, beyond `after`; and where to go on, if at all.

        That place is a name which the caller may see, so that no cursor tells of another.
        """
        return self._page(caller, self._store.counts, after=after, limit=limit, at_once=limit + 1)

    def page_described(
        self, caller: Principal, *, after: str, limit: int
    ) -> tuple[list[tuple[str, QueueDescription]], str | None]:
        """The same with all there is to say of each."""
        at_once = min(limit + 1, DESCRIBED_AT_ONCE)
        return self._page(caller, self._store.describe_each, after=after, limit=limit, at_once=at_once)

    def _page(
        self,
        caller: Principal,
        tell: Callable[[Sequence[str]], Sequence[Told | None]],
        *,
        after: str,
        limit: int,
        at_once: int,
    ) -> tuple[list[tuple[str, Told]], str | None]:
        found: list[tuple[str, Told]] = []
        names = [after]
        while names:
            patience.renew()  # there may be a hundred thousand
            names = self._store.page(after=names[-1], limit=NAMES_AT_ONCE)
            visible = [name for name in names if caller.may("count", name)]
            for part in _parts(visible, at_once):
                # A name without a queue: it is listed before its first push, and struck off before its end.
                told = zip(part, tell(part), strict=True)
                found += [(name, known) for name, known in told if known is not None]
                if len(found) > limit:
                    return found[:limit], found[limit - 1][0]
        return found, None


def _parts(names: Sequence[str], size: int) -> list[Sequence[str]]:
    """`names` in parts of `size`."""
    return [names[start : start + size] for start in range(0, len(names), size)]


def _changed(settings: QueueSettings) -> str:
    """The settings that are not the defaults."""
    defaults = msgspec.structs.asdict(QueueSettings())
    own = {name: value for name, value in msgspec.structs.asdict(settings).items() if value != defaults[name]}
    return " ".join(f"{name}={value}" for name, value in own.items())
