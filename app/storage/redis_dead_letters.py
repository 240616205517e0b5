"""The dead letters in Redis: each method is one script, so it happens whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.models import FOREVER_MS, DeadFilter, DeadLetter, DeadPage, DeadReason, QueueSettings, Redriven
from app.storage.envelope import NEWER, ended_deliveries, newer_layout, unseal
from app.storage.keys import QueueKeys, hint_channel
from app.storage.lines import Commands
from app.storage.replies import queue_not_found
from app.storage.scripts import Script

REASONS: tuple[DeadReason, ...] = ("max-attempts", "rejected", "expired")
ANY_REASON = 0

_DEFAULTS = QueueSettings()


class RedisDeadLetterStore:
    """Speaks of bytes and milliseconds; checks no permission and no limit."""

    def __init__(self, commands: Commands, *, prefix: str) -> None:
        self._commands = commands
        self._prefix = prefix
        self._dead = Script("dead")
        self._dead_letter = Script("dead_letter")
        self._redrive = Script("redrive")

    def page(self, queue: str, which: DeadFilter, *, limit: int, cursor: tuple[int, UUID] | None) -> DeadPage:
        """Up to `limit` dead letters, oldest death first, beyond the one that `cursor` names by death and id."""
        from_ms, from_id = (cursor[0], cursor[1].bytes) if cursor else (0, b"")
        keys = QueueKeys.of(self._prefix, queue).all_dead
        has_more, *found = self._run(self._dead, queue, keys, [limit, *_filter(which), from_ms, from_id])
        letters = [_letter(died_at, raw) for died_at, raw in zip(found[::2], found[1::2], strict=True)]
        return DeadPage(letters, bool(has_more))

    def one(self, queue: str, message_id: UUID, *, remove: bool) -> DeadLetter | None:
        """One dead letter, removed if asked to; None if there is none of that id."""
        keys = QueueKeys.of(self._prefix, queue).of_dead_letter
        args = [message_id.bytes, int(remove), hint_channel(self._prefix), queue]
        found = self._run(self._dead_letter, queue, keys, args)
        return _letter(*found) if found else None

    def redrive(self, queue: str, which: DeadFilter, ids: Sequence[UUID], *, limit: int) -> Redriven:
        """Gives back up to `limit` of the dead letters that `which` lets through, only `ids` if some are named."""
        keys = QueueKeys.of(self._prefix, queue).of_redrive
        args = [limit, *_filter(which), hint_channel(self._prefix), queue, *(each.bytes for each in ids)]
        reply = self._run(self._redrive, queue, keys, args)
        if reply[0] == NEWER:
            raise newer_layout()
        return Redriven(*reply)

    def _run(self, script: Script, queue: str, keys: list[str], args: list[Any]) -> Any:
        reply = script.run(self._commands, keys, [_DEFAULTS.dead_ttl_ms, *args])
        if reply is None:
            raise queue_not_found(queue)
        return reply


def _filter(which: DeadFilter) -> list[int]:
    earliest = 0 if which.after_ms is None else which.after_ms + 1
    latest = FOREVER_MS if which.before_ms is None else which.before_ms - 1
    return [earliest, latest, ANY_REASON if which.reason is None else REASONS.index(which.reason) + 1]


def _letter(died_at_ms: int, raw: bytes) -> DeadLetter:
    """Layout: reason (1 byte), length of the error (2), error, envelope; `dead_letters.lua` writes it."""
    envelope_offset = 3 + int.from_bytes(raw[1:3], "big")
    envelope = raw[envelope_offset:]
    return DeadLetter(
        message=unseal(envelope, attempt=ended_deliveries(envelope), receipt=None),
        reason=REASONS[raw[0] - 1],
        error=raw[3:envelope_offset].decode(),
        died_at_ms=died_at_ms,
    )
