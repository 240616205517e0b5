"""Reads which dead letters are meant, and writes them."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.errors import Fault, Invalid
from app.models import MAX_BATCH, DeadFilter, DeadLetter, DeadPage, DeadReason
from app.web import lists, payloads
from app.web.bodies import read_body
from app.web.exchange import Moment, Timestamp, milliseconds, timestamp
from app.web.flask_door import options
from app.web.peeks import PeekedMessage, PeekedMessages, StoredMessage
from app.web.pops import content

DEFAULT_LIMIT = 100
MAX_CURSOR_LENGTH = 64
CURSOR_BYTES = 24  # 8 of the death in ms, 16 of the id


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter: one reason, and times of death in RFC 3339, both exclusive."""

    reason: DeadReason | UnsetType = UNSET
    after: Moment | UnsetType = UNSET
    before: Moment | UnsetType = UNSET

    @property
    def filter(self) -> DeadFilter:
        reason = None if self.reason is UNSET else self.reason
        after_ms = None if self.after is UNSET else milliseconds(self.after, "after")
        before_ms = None if self.before is UNSET else milliseconds(self.before, "before")
        return DeadFilter(reason, after_ms=after_ms, before_ms=before_ms)


class LettersPage(Which, frozen=True, forbid_unknown_fields=True):
    """A filter, and which part of what it lets through."""

    limit: Annotated[int, Meta(ge=1, le=MAX_BATCH)] = DEFAULT_LIMIT
    cursor: Annotated[str, Meta(max_length=MAX_CURSOR_LENGTH)] = ""

    @property
    def place(self) -> tuple[int, UUID] | None:
        """Death and id of the last letter of the page before."""
        return _parse_cursor(self.cursor) if self.cursor else None


class Redrive(Which, frozen=True, forbid_unknown_fields=True):
    """A filter or ids, and how many at most; nothing at all means all."""

    ids: Annotated[list[UUID], Meta(min_length=1, max_length=MAX_BATCH)] | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None


class PeekDead(LettersPage, frozen=True, forbid_unknown_fields=True):
    """The same, asked for as one of the states that messages are in."""

    state: Literal["dead"] = "dead"


def read_peek() -> PeekDead:
    """The page of dead letters that a look at messages asks for. Raises `Invalid`."""
    return payloads.convert(options(), PeekDead)


class Letter(StoredMessage, frozen=True, kw_only=True):
    """A dead letter: the message, why and when it died, and what the last nack said."""

    attempts: int
    reason: DeadReason
    error: str
    pushed_at: Timestamp
    died_at: Timestamp


class Letters(msgspec.Struct, frozen=True):
    """A page of dead letters, oldest death first."""

    messages: list[Letter]
    next_cursor: str | None


class Removed(msgspec.Struct, frozen=True):
    """The dead letter is gone."""

    id: str


class Redriven(msgspec.Struct, frozen=True):
    """How many went back to their queue, and how many of those asked for are left."""

    moved: int
    remaining: int


def read_page() -> LettersPage:
    """The page that this request asks for. Raises `Invalid`."""
    return payloads.convert(options(), LettersPage)


def read_redrive() -> Redrive:
    """The redrive that this request asks for. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    asked = payloads.decode(read_body(), Redrive)
    if asked.ids is not None and asked.filter != DeadFilter():
        detail = "Name either ids or a filter."
        raise Invalid(detail, faults=[Fault(detail, pointer="/ids")])
    return asked


def write_page(page: DeadPage) -> Letters:
    """The answer to a list: its letters and where to go on."""
    return Letters([write_letter(letter) for letter in page.letters], _next_cursor(page))


def write_peek(page: DeadPage) -> PeekedMessages:
    """The same, where messages in every state may be looked at."""
    return PeekedMessages([PeekedMessage(**_fields(each), state="dead") for each in page.letters], _next_cursor(page))


def write_letter(letter: DeadLetter) -> Letter:
    """One dead letter with its message."""
    return Letter(**_fields(letter))


def _fields(letter: DeadLetter) -> dict[str, Any]:
    message = letter.message
    return {
        "id": message.id,
        **content(message),
        "attempts": message.attempt,
        "reason": letter.reason,
        "error": letter.error,
        "pushed_at": timestamp(message.pushed_at_ms),
        "died_at": timestamp(letter.died_at_ms),
    }


def _next_cursor(page: DeadPage) -> str | None:
    return _cursor(page.letters[-1]) if page.has_more else None


def _cursor(letter: DeadLetter) -> str:
    raw = letter.died_at_ms.to_bytes(8, "big") + UUID(letter.message.id).bytes
    return base64.urlsafe_b64encode(raw).decode()


def _parse_cursor(cursor: str) -> tuple[int, UUID]:
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    died_at_ms = int.from_bytes(raw[:8], "big")
    if len(raw) != CURSOR_BYTES or died_at_ms >= 2**53:
        raise lists.no_cursor()
    return died_at_ms, UUID(bytes=raw[8:])
