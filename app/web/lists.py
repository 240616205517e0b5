"""What every list has: a page of limited length, and a cursor to the next."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from app.errors import Fault, Invalid
from app.models import MAX_BATCH

DEFAULT_LIMIT = 100
MAX_CURSOR_LENGTH = 256
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
Text = Annotated[str, Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]

Item = TypeVar("Item")


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list is asked for. The cursor is `next_cursor` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=MAX_BATCH)] = DEFAULT_LIMIT
    cursor: Annotated[str, Meta(max_length=MAX_CURSOR_LENGTH)] = ""

    def place(self) -> str:
        """The last item of the page before; empty at the beginning. Raises `Invalid`."""
        try:
            place = base64.b64decode(self.cursor, altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise no_cursor() from error
        if CONTROL.search(place):
            raise no_cursor()
        return place


def no_cursor() -> Invalid:
    """The fault of a cursor that no page answered."""
    detail = "This is no cursor; send next_cursor as the page before answered it."
    return Invalid(detail, faults=[Fault(detail, parameter="cursor")])


def page_of(found: Sequence[Item], *, limit: int, place: Callable[[Item], str]) -> tuple[Sequence[Item], str | None]:
    """What to show of a list of which one item more than `limit` was looked for, and the cursor to the rest."""
    shown = found[:limit]
    return shown, cursor_to(place(shown[-1])) if len(found) > limit else None


def cursor_to(place: str) -> str:
    """The cursor to what lies beyond `place`."""
    return base64.urlsafe_b64encode(place.encode()).decode()
