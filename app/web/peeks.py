"""Reads which messages are to be looked at, emptied or stopped, and writes those that were looked at."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.errors import Fault, Invalid
from app.models import FOREVER_MS, MAX_BATCH, MAX_DELAY_SECONDS, MessageState, Operation, Peeked, PeekPage
from app.web import lists, payloads
from app.web.bodies import SMALL_BODY_BYTES, read_body
from app.web.exchange import options, timestamp
from app.web.pops import content

TIME_NAMES = {"delayed": "due_at", "leased": "lease_expires_at"}


class Peek(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages: of one state, a page of them. The cursor is `next_cursor` of the page before."""

    state: MessageState = "ready"
    limit: Annotated[int, Meta(ge=1, le=MAX_BATCH)] = lists.DEFAULT_LIMIT
    cursor: Annotated[str, Meta(max_length=lists.MAX_CURSOR_LENGTH)] = ""

    @property
    def offset(self) -> int:
        """How many messages the pages before have shown. Raises `Invalid`."""
        if not self.cursor:
            return 0
        if not self.cursor.isascii() or not self.cursor.isdigit() or int(self.cursor) > FOREVER_MS:
            raise lists.no_cursor()
        return int(self.cursor)


class Purge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages are to go: of one state, or all; `confirm` repeats the queue's name."""

    state: MessageState | Literal["all"] = "all"
    confirm: str = ""


class Delete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` repeats the queue's name."""

    confirm: str = ""


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is meant: `push`, `pop` or both."""

    operation: Operation | Literal["both"] = "both"

    @property
    def operations(self) -> tuple[Operation, ...]:
        return ("push", "pop") if self.operation == "both" else (self.operation,)


class Pause(Resume, frozen=True, forbid_unknown_fields=True):
    """The same, and until when."""

    until: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET

    @property
    def until_ms(self) -> int | None:
        """None: until somebody resumes it. Raises `Invalid` unless the time lies within the coming year."""
        if self.until is UNSET:
            return None
        ahead = self.until.timestamp() - time.time()
        if not 0 < ahead <= MAX_DELAY_SECONDS:
            detail = f"until is a time to come, {MAX_DELAY_SECONDS} seconds ahead at most."
            raise Invalid(detail, faults=[Fault(detail, pointer="/until")])
        return round(self.until.timestamp() * 1000)


def read_peek() -> Peek:
    """The page that this request asks for. Raises `Invalid`."""
    return payloads.convert(options(), Peek)


def read_purge(queue: str) -> MessageState | None:
    """The state that this request empties, None for all. Raises `Invalid` unless it is confirmed."""
    asked = payloads.convert(options(), Purge)
    _check_confirmed(queue, asked.confirm)
    return None if asked.state == "all" else asked.state


def check_delete(queue: str) -> None:
    """Raises `Invalid` unless this request confirms that `queue` is to go."""
    _check_confirmed(queue, payloads.convert(options(), Delete).confirm)


def read_pause() -> Pause:
    """What this request stops. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    return payloads.decode(read_body(most=SMALL_BODY_BYTES), Pause)


def read_resume() -> Resume:
    """What this request lets go on. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    return payloads.decode(read_body(most=SMALL_BODY_BYTES), Resume)


def write_peek(asked: Peek, page: PeekPage) -> dict[str, Any]:
    """The answer to a look: messages without receipts, and where to go on."""
    cursor = str(asked.offset + len(page.messages)) if page.has_more else None
    return {"messages": [_item(asked.state, each) for each in page.messages], "next_cursor": cursor}


def _item(state: MessageState, peeked: Peeked) -> dict[str, Any]:
    message = peeked.message
    item = {"id": message.id, **content(message), "state": state, "attempts": message.attempt}
    item["pushed_at"] = timestamp(message.pushed_at_ms)
    if state in TIME_NAMES and peeked.time_ms is not None:
        item[TIME_NAMES[state]] = timestamp(peeked.time_ms)
    return item


def _check_confirmed(queue: str, confirm: str) -> None:
    if confirm != queue:
        detail = f"This cannot be undone; say that it is meant with confirm={queue}."
        raise Invalid(detail, faults=[Fault(detail, parameter="confirm")])
