"""/queues and /queues/{queue}: the queues themselves, their settings, what happened in them, and their end."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from app.errors import Conflict, PreconditionFailed, QueueNotFound, StoreFull, TooManyQueues
from app.web import lists, payloads
from app.web.context import actor, caller, services
from app.web.flask_door import json_response, options
from app.web.guard import requires, signed_in
from app.web.operations import operation
from app.web.pauses import PauseBody, ResumeBody, read_pause, read_resume
from app.web.peeks import Delete, Purge, check_delete, read_purge
from app.web.queue_settings import (
    ConfiguredQueue,
    DescribedQueue,
    ListedQueue,
    PausedOperations,
    Settings,
    SettingsPatch,
    read_change,
    read_settings,
    read_tags,
    write_listed,
    write_pauses,
    write_queue,
    write_settings,
)

bp = Blueprint("queues", __name__)


class Queues(msgspec.Struct, frozen=True):
    """A page of queues by name, with what they hold."""

    queues: list[ListedQueue]
    next_cursor: str | None


class QueuesPage(lists.Page, frozen=True, forbid_unknown_fields=True):
    """Which part of the list; `details`: with the totals and the pauses of each queue."""

    details: bool = False


class Deleted(msgspec.Struct, frozen=True):
    """The queue is gone."""

    queue: str


class Purged(msgspec.Struct, frozen=True):
    """How many messages went, and how many of the same state are left."""

    queue: str
    purged: int
    remaining: int


class Paused(msgspec.Struct, frozen=True):
    """What is stopped now."""

    queue: str
    paused: PausedOperations


@bp.get("/queues")
@signed_in
@operation({200: Queues}, query=QueuesPage)
def all_queues() -> Response:
    """Lists the queues that the caller may count, by name, with what they hold."""
    asked = payloads.convert(options(), QueuesPage)
    page = services().catalog.page_described if asked.details else services().catalog.page
    found, place = page(caller(), after=asked.place(), limit=asked.limit)
    queues = [write_listed(queue, known) for queue, known in found]
    return json_response(Queues(queues, place and lists.cursor_to(place)))


@bp.get("/queues/<queue>")
@requires("count")
@operation({200: DescribedQueue}, raises=(QueueNotFound,), headers={200: ("ETag",)})
def describe(queue: str) -> Response:
    """Tells all there is to say of a queue: settings, totals, counts, pauses, waiters."""
    payloads.convert(options(), payloads.Nothing)
    known = services().catalog.describe(queue)
    return json_response(write_queue(queue, known), headers=_etag(known.tag))


@bp.put("/queues/<queue>")
@requires("manage")
@operation(
    {200: ConfiguredQueue, 201: ConfiguredQueue},
    body=Settings,
    examples={"body": {"lease": 60, "max_attempts": 10}},
    raises=(PreconditionFailed, TooManyQueues, StoreFull),
    request_headers=("If-Match",),
    headers={200: ("ETag",), 201: ("ETag",)},
)
def configure(queue: str) -> Response:
    """Gives a queue its settings; what is left out has its default. Makes the queue if there is none."""
    settings = read_settings()
    made = services().catalog.configure(queue, settings, tags=read_tags(), by=actor())
    return json_response(write_settings(queue, made), 201 if made.is_new else 200, _etag(made.tag))


@bp.patch("/queues/<queue>")
@requires("manage")
@operation(
    {200: ConfiguredQueue},
    body=SettingsPatch,
    examples={"body": {"backoff": {"max": 60}, "ttl": None}},
    raises=(QueueNotFound, PreconditionFailed, Conflict, StoreFull),
    request_headers=("If-Match",),
    headers={200: ("ETag",)},
)
def change(queue: str) -> Response:
    """Changes some settings of a queue, by a JSON merge patch (RFC 7396)."""
    changed = services().catalog.change(queue, read_change(), tags=read_tags(), by=actor())
    return json_response(write_settings(queue, changed), headers=_etag(changed.tag))


@bp.delete("/queues/<queue>")
@requires("manage")
@operation({200: Deleted}, query=Delete, raises=(QueueNotFound,))
def delete(queue: str) -> Response:
    """Removes a queue and all that it holds."""
    check_delete(queue)
    services().catalog.delete(queue, by=actor())
    return json_response(Deleted(queue))


@bp.post("/queues/<queue>/purge")
@requires("manage")
@operation({200: Purged}, query=Purge, raises=(QueueNotFound,))
def purge(queue: str) -> Response:
    """Empties a queue, or one of its states."""
    purged = services().catalog.purge(queue, read_purge(queue), by=actor())
    return json_response(Purged(queue, purged.gone, purged.remaining))


@bp.post("/queues/<queue>/pause")
@requires("manage")
@operation({200: Paused}, body=PauseBody, raises=(QueueNotFound,), examples={"body": {"operation": "pop"}})
def pause(queue: str) -> Response:
    """Stops pushes, pops or both of a queue; settling goes on."""
    asked = read_pause()
    pauses = services().catalog.pause(queue, asked.operations, until_ms=asked.until_ms, by=actor())
    return json_response(Paused(queue, write_pauses(pauses)))


@bp.post("/queues/<queue>/resume")
@requires("manage")
@operation({200: Paused}, body=ResumeBody, raises=(QueueNotFound,), examples={"body": {"operation": "both"}})
def resume(queue: str) -> Response:
    """Lets pushes, pops or both go on."""
    pauses = services().catalog.resume(queue, read_resume().operations, by=actor())
    return json_response(Paused(queue, write_pauses(pauses)))


def _etag(tag: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"'}
