"""Reads which messages are to be looked at or to go, and writes those that were looked at."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.errors import Fault, Invalid
from app.models import FOREVER_MS, MAX_BATCH, DeadReason, MessageState, Peeked, PeekPage, Priority
from app.web import lists, payloads
from app.web.exchange import Timestamp, timestamp
from app.web.flask_door import options
from app.web.pops import content


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it lies in the queue: JSON as it was pushed; else text, or base64, with its content type."""

    id: str
    message: Any
    content_type: str | UnsetType = UNSET
    encoding: Literal["base64"] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    group: str | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET


class PeekedMessage(StoredMessage, frozen=True, kw_only=True):
    """A message that was looked at: no receipt; when its delay or its lease ends, or why and when it died."""

    state: MessageState
    attempts: int
    pushed_at: Timestamp
    due_at: Timestamp | UnsetType = UNSET
    lease_expires_at: Timestamp | UnsetType = UNSET
    reason: DeadReason | UnsetType = UNSET
    error: str | UnsetType = UNSET
    died_at: Timestamp | UnsetType = UNSET


class PeekedMessages(msgspec.Struct, frozen=True):
    """A page of messages in one state."""

    messages: list[PeekedMessage]
    next_cursor: str | None


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


def write_peek(asked: Peek, page: PeekPage) -> PeekedMessages:
    """The answer to a look, and where to go on."""
    cursor = str(asked.offset + len(page.messages)) if page.has_more else None
    return PeekedMessages([_message(asked.state, each) for each in page.messages], cursor)


def _message(state: MessageState, peeked: Peeked) -> PeekedMessage:
    message, time = peeked.message, UNSET if peeked.time_ms is None else timestamp(peeked.time_ms)
    return PeekedMessage(
        id=message.id,
        **content(message),
        state=state,
        attempts=message.attempt,
        pushed_at=timestamp(message.pushed_at_ms),
        due_at=time if state == "delayed" else UNSET,
        lease_expires_at=time if state == "leased" else UNSET,
    )


def _check_confirmed(queue: str, confirm: str) -> None:
    if confirm != queue:
        detail = f"This cannot be undone; say that it is meant with confirm={queue}."
        raise Invalid(detail, faults=[Fault(detail, parameter="confirm")])
