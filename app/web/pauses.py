"""Reads what of a queue is to stop, and until when."""

from __future__ import annotations

from typing import Literal

import msgspec

from app.models import Operation
from app.web import payloads
from app.web.bodies import SMALL_BODY_BYTES, read_body
from app.web.exchange import Moment, milliseconds
from app.web.flask_door import options


class ResumeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is meant: `push`, `pop` or both."""

    operation: Operation | Literal["both"] = "both"

    @property
    def operations(self) -> tuple[Operation, ...]:
        return ("push", "pop") if self.operation == "both" else (self.operation,)


class PauseBody(ResumeBody, frozen=True, forbid_unknown_fields=True):
    """The same, and until when; null or left out: until somebody resumes it."""

    until: Moment | None = None

    @property
    def until_ms(self) -> int | None:
        return None if self.until is None else max(1, milliseconds(self.until, "until"))


def read_pause() -> PauseBody:
    """What this request stops. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    return payloads.decode(read_body(most=SMALL_BODY_BYTES), PauseBody)


def read_resume() -> ResumeBody:
    """What this request lets go on. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    return payloads.decode(read_body(most=SMALL_BODY_BYTES), ResumeBody)
