"""The rules of dead letters: looking at them, dropping them, giving them back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.errors import MessageNotFound
from app.models import MAX_BATCH, DeadFilter, DeadLetter, DeadPage, Redriven
from app.people import Actor, Deed
from app.services.names import check_queue_name
from app.services.ports import AuditLog, DeadLetterStore

MAX_SECONDS = 3.0


class DeadLetters:
    """The dead letters of every queue, by the queue's name. Every method raises `QueueNotFound`."""

    def __init__(self, store: DeadLetterStore, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    def page(self, queue: str, which: DeadFilter, *, limit: int, cursor: tuple[int, UUID] | None) -> DeadPage:
        """Up to `limit` dead letters, oldest death first, beyond the one that `cursor` names by death and id."""
        check_queue_name(queue)
        return self._store.page(queue, which, limit=limit, cursor=cursor)

    def one(self, queue: str, message_id: UUID) -> DeadLetter:
        """The dead letter of an id. Raises `MessageNotFound`."""
        return self._one(queue, message_id, remove=False)

    def remove(self, queue: str, message_id: UUID, *, by: Actor) -> DeadLetter:
        """Drops the dead letter of an id for good. Raises `MessageNotFound`."""
        letter = self._one(queue, message_id, remove=True)
        self._audit.record_done(Deed(by, "dead.remove", queue, detail=letter.message.id))
        return letter

    def redrive(self, queue: str, which: DeadFilter, ids: Sequence[UUID], *, limit: int | None, by: Actor) -> Redriven:
        """Gives dead letters back, a thousand to a step, so that Redis is never blocked for long.

        Each step is whole, so a crash in the middle leaves every message in one place. What dies again meanwhile is
        left alone: it died after the first step. Ends after 3 s, and says what remains.
        """
        check_queue_name(queue)
        total = self._redrive(queue, which, ids, limit=limit)
        self._audit.record_done(Deed(by, "dead.redrive", queue, detail=f"moved {total.moved}"))
        return total

    def _redrive(self, queue: str, which: DeadFilter, ids: Sequence[UUID], *, limit: int | None) -> Redriven:
        started = time.monotonic()
        total = Redriven(0, 0, 0)
        while limit is None or total.moved < limit:
            step = min(MAX_BATCH, MAX_BATCH if limit is None else limit - total.moved)
            result = self._store.redrive(queue, which, ids, limit=step)
            cut = result.now_ms + 1
            before_ms = cut if which.before_ms is None else min(which.before_ms, cut)
            which = msgspec.structs.replace(which, before_ms=before_ms)
            total = Redriven(total.moved + result.moved, result.remaining, result.now_ms)
            if not result.moved or not result.remaining or time.monotonic() - started > MAX_SECONDS:
                break
        return total

    def _one(self, queue: str, message_id: UUID, *, remove: bool) -> DeadLetter:
        check_queue_name(queue)
        letter = self._store.one(queue, message_id, remove=remove)
        if letter is None:
            raise MessageNotFound("There is no dead letter of this id.")
        return letter
