"""Reads and writes the settings of a queue: seconds outside, milliseconds inside."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.errors import Fault, Invalid
from app.models import MAX_DELAY_SECONDS, MAX_LEASE_SECONDS, QueueSettings, QueueTotals
from app.web import payloads
from app.web.bodies import read_body
from app.web.exchange import options

Wait = Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)]
Many = Annotated[int, Meta(ge=1, le=2**53)]


class Backoff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a nacked message waits: `base` × `factor` for each attempt after the first, `max` at most; seconds."""

    base: Wait = 1
    factor: Annotated[float, Meta(ge=1, le=100)] = 2
    max: Wait = 300


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set of a queue; times in seconds. What is left out has its default."""

    lease: Annotated[float, Meta(ge=1, le=MAX_LEASE_SECONDS)] = 30
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 5
    backoff: Backoff = Backoff()
    dedup_window: Annotated[float, Meta(ge=1, le=86_400)] = 300
    max_messages: Many | None = None
    max_bytes: Many | None = None
    dead_max_messages: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    dead_ttl: Annotated[float, Meta(ge=1, le=MAX_DELAY_SECONDS)] = 14 * 86_400


def read_settings() -> QueueSettings:
    """The settings that this request brings. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    given = payloads.decode(read_body(), Settings)
    if given.backoff.base > given.backoff.max:
        detail = "The backoff's base is greater than its max."
        raise Invalid(detail, faults=[Fault(detail, pointer="/backoff/base")])
    return QueueSettings(
        lease_ms=_ms(given.lease),
        max_attempts=given.max_attempts,
        backoff_base_ms=_ms(given.backoff.base),
        backoff_factor=given.backoff.factor,
        backoff_max_ms=_ms(given.backoff.max),
        dedup_window_ms=_ms(given.dedup_window),
        max_messages=given.max_messages,
        max_bytes=given.max_bytes,
        dead_max_messages=given.dead_max_messages,
        dead_ttl_ms=_ms(given.dead_ttl),
    )


def write_queue(queue: str, own: QueueSettings, totals: QueueTotals) -> dict[str, Any]:
    """A queue's settings as they hold, and what happened in it."""
    settings = Settings(
        lease=own.lease_ms / 1000,
        max_attempts=own.max_attempts,
        backoff=Backoff(own.backoff_base_ms / 1000, own.backoff_factor, own.backoff_max_ms / 1000),
        dedup_window=own.dedup_window_ms / 1000,
        max_messages=own.max_messages,
        max_bytes=own.max_bytes,
        dead_max_messages=own.dead_max_messages,
        dead_ttl=own.dead_ttl_ms / 1000,
    )
    return {"queue": queue, "settings": settings, "totals": totals}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
