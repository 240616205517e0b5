"""Reads and writes the settings of a queue: seconds outside, milliseconds inside."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Union

import msgspec
from flask import request
from msgspec import UNSET, Meta, UnsetType

from app.errors import Fault, Invalid
from app.models import (
    FOREVER_MS,
    MAX_DELAY_SECONDS,
    MAX_LEASE_SECONDS,
    Configured,
    Counts,
    Operation,
    Pauses,
    QueueDescription,
    QueueSettings,
    QueueTotals,
)
from app.web import payloads
from app.web.bodies import read_body
from app.web.exchange import Timestamp, timestamp
from app.web.flask_door import options

ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')
NO_QUEUE_HAS = "-"  # a tag, in the place of weak ones, which count for nothing here

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
    ttl: Annotated[float, Meta(ge=0.001, le=MAX_DELAY_SECONDS)] | None = None
    dedup_window: Annotated[float, Meta(ge=1, le=86_400)] = 300
    max_messages: Many | None = None
    max_bytes: Many | None = None
    dead_max_messages: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    dead_ttl: Annotated[float, Meta(ge=1, le=MAX_DELAY_SECONDS)] = 14 * 86_400


def _patch_of(form: type[msgspec.Struct], name: str, **nested: Any) -> type[msgspec.Struct]:
    """What may be sent to change a `form`: each field may be absent, or null for its default (RFC 7396)."""
    fields = [
        (field.name, Union[nested.get(field.name, field.type), None, UnsetType], UNSET)  # noqa: UP007 - of values
        for field in msgspec.structs.fields(form)
    ]
    doc = {"__doc__": f"A change of {form.__name__}: what is absent stays, null gives the default back."}
    return msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True, namespace=doc)


BackoffPatch = _patch_of(Backoff, "BackoffPatch")
SettingsPatch = _patch_of(Settings, "SettingsPatch", backoff=BackoffPatch)


class CountsByState(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are in each state; bytes of all bodies; the oldest ready one's age in seconds."""

    ready: int
    delayed: int
    leased: int
    dead: int
    bytes: int
    oldest_age: float | None


class QueueCount(msgspec.Struct, frozen=True, kw_only=True):
    """The same of a queue; `count` is `ready`."""

    queue: str
    count: int
    ready: int
    delayed: int
    leased: int
    dead: int
    bytes: int
    oldest_age: float | None


class Pause(msgspec.Struct, frozen=True):
    """Until when something is stopped; null: until somebody resumes it."""

    until: Timestamp | None


PausedOperations = dict[Operation, Pause]


class ListedQueue(QueueCount, frozen=True, kw_only=True):
    """A queue in a list; `totals` and `paused` only where details are asked for."""

    totals: QueueTotals | UnsetType = UNSET
    paused: PausedOperations | UnsetType = UNSET


class ConfiguredQueue(msgspec.Struct, frozen=True):
    """A queue's settings as they hold, and what happened in it."""

    queue: str
    settings: Settings
    totals: QueueTotals


class DescribedQueue(msgspec.Struct, frozen=True):
    """All there is to say of a queue; `next_due`: when the next delay or lease ends; `waiters`: long polls now."""

    queue: str
    settings: Settings
    totals: QueueTotals
    counts: CountsByState
    paused: PausedOperations
    next_due: Timestamp | None
    waiters: int


def read_settings() -> QueueSettings:
    """The settings that this request brings. Raises `Malformed`, `Invalid`."""
    payloads.convert(options(), payloads.Nothing)
    return _checked(payloads.decode(read_body(), Settings))


def read_change() -> Callable[[QueueSettings], QueueSettings]:
    """The change that this request brings, as a JSON merge patch (RFC 7396): null gives a setting its default back.

    Raises `Malformed`, `Invalid`; so does the change, where it does not fit what is there.
    """
    payloads.convert(options(), payloads.Nothing)
    patch = msgspec.to_builtins(payloads.decode(read_body(), SettingsPatch))

    def change(own: QueueSettings) -> QueueSettings:
        merged = _merged(msgspec.to_builtins(_written(own)), patch)
        return _checked(msgspec.convert(merged, Settings))

    return change


def read_tags() -> list[str]:
    """The entity tags one of which the queue must have (`*`: it exists); none if the request does not care."""
    if "If-Match" not in request.headers:
        return []
    header = ",".join(request.headers.getlist("If-Match"))
    if header.strip() == "*":
        return ["*"]
    return [tag for weak, tag in ENTITY_TAG.findall(header) if not weak] or [NO_QUEUE_HAS]


def write_settings(queue: str, made: Configured) -> ConfiguredQueue:
    """What a change of settings answers."""
    return ConfiguredQueue(queue, _written(made.settings), made.totals)


def write_queue(queue: str, known: QueueDescription) -> DescribedQueue:
    """What a look at a queue answers."""
    return DescribedQueue(
        queue,
        _written(known.settings),
        known.totals,
        CountsByState(**_counts(known.counts)),
        write_pauses(known.pauses),
        None if known.next_due_at_ms is None else timestamp(known.next_due_at_ms),
        known.waiters,
    )


def write_count(queue: str, counts: Counts) -> QueueCount:
    """What a count answers."""
    return QueueCount(queue=queue, count=counts.ready, **_counts(counts))


def write_listed(queue: str, known: Counts | QueueDescription) -> ListedQueue:
    """A queue in a list: its counts, or with totals and pauses if they are known."""
    if isinstance(known, Counts):
        return ListedQueue(queue=queue, count=known.ready, **_counts(known))
    counts, paused = known.counts, write_pauses(known.pauses)
    return ListedQueue(queue=queue, count=counts.ready, **_counts(counts), totals=known.totals, paused=paused)


def _counts(counts: Counts) -> dict[str, Any]:
    age = counts.oldest_age_ms
    return {
        "ready": counts.ready,
        "delayed": counts.delayed,
        "leased": counts.leased,
        "dead": counts.dead,
        "bytes": counts.bytes,
        "oldest_age": None if age is None else age / 1000,
    }


def write_pauses(pauses: Pauses) -> PausedOperations:
    """What is stopped, each with the time until when."""
    ends: dict[Operation, int | None] = {"push": pauses.push_until_ms, "pop": pauses.pop_until_ms}
    return {
        operation: Pause(None if until_ms == FOREVER_MS else timestamp(until_ms))
        for operation, until_ms in ends.items()
        if until_ms is not None
    }


def _checked(given: Settings) -> QueueSettings:
    if given.backoff.base > given.backoff.max:
        detail = "The backoff's base is greater than its max."
        raise Invalid(detail, faults=[Fault(detail, pointer="/backoff/base")])
    return QueueSettings(
        lease_ms=_ms(given.lease),
        max_attempts=given.max_attempts,
        backoff_base_ms=_ms(given.backoff.base),
        backoff_factor=given.backoff.factor,
        backoff_max_ms=_ms(given.backoff.max),
        ttl_ms=None if given.ttl is None else _ms(given.ttl),
        dedup_window_ms=_ms(given.dedup_window),
        max_messages=given.max_messages,
        max_bytes=given.max_bytes,
        dead_max_messages=given.dead_max_messages,
        dead_ttl_ms=_ms(given.dead_ttl),
    )


def _written(own: QueueSettings) -> Settings:
    return Settings(
        lease=own.lease_ms / 1000,
        max_attempts=own.max_attempts,
        backoff=Backoff(own.backoff_base_ms / 1000, own.backoff_factor, own.backoff_max_ms / 1000),
        ttl=None if own.ttl_ms is None else own.ttl_ms / 1000,
        dedup_window=own.dedup_window_ms / 1000,
        max_messages=own.max_messages,
        max_bytes=own.max_bytes,
        dead_max_messages=own.dead_max_messages,
        dead_ttl=own.dead_ttl_ms / 1000,
    )


def _merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = _merged(merged[name], value)
        else:
            merged[name] = value
    return merged


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
