"""/queues and /queues/{queue}: the queues themselves, their settings, what happened in them, and their end."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web import lists, payloads
from app.web.context import actor, caller, services
from app.web.exchange import json_response, options
from app.web.guard import requires, signed_in
from app.web.peeks import check_delete, read_pause, read_purge, read_resume
from app.web.queue_settings import (
    read_change,
    read_settings,
    read_tags,
    write_counts,
    write_pauses,
    write_queue,
    write_settings,
)

bp = Blueprint("queues", __name__)


@bp.get("/queues")
@signed_in
def all_queues() -> Response:
    asked = payloads.convert(options(), lists.Page)
    found, place = services().catalog.page(caller(), after=asked.place(), limit=asked.limit)
    queues = [{"queue": each.queue, "count": each.counts.ready, **write_counts(each.counts)} for each in found]
    return json_response({"queues": queues, "next_cursor": place and lists.cursor_to(place)})


@bp.get("/queues/<queue>")
@requires("count")
def describe(queue: str) -> Response:
    payloads.convert(options(), payloads.Nothing)
    known = services().catalog.describe(queue)
    return json_response(write_queue(queue, known), headers=_etag(known.tag))


@bp.put("/queues/<queue>")
@requires("manage")
def configure(queue: str) -> Response:
    settings = read_settings()
    is_new, totals, tag = services().catalog.configure(queue, settings, tags=read_tags(), by=actor())
    return json_response(write_settings(queue, settings, totals), 201 if is_new else 200, _etag(tag))


@bp.patch("/queues/<queue>")
@requires("manage")
def change(queue: str) -> Response:
    settings, totals, tag = services().catalog.change(queue, read_change(), tags=read_tags(), by=actor())
    return json_response(write_settings(queue, settings, totals), headers=_etag(tag))


@bp.delete("/queues/<queue>")
@requires("manage")
def delete(queue: str) -> Response:
    check_delete(queue)
    services().catalog.delete(queue, by=actor())
    return json_response({"queue": queue})


@bp.post("/queues/<queue>/purge")
@requires("manage")
def purge(queue: str) -> Response:
    purged = services().catalog.purge(queue, read_purge(queue), by=actor())
    return json_response({"queue": queue, "purged": purged.gone, "remaining": purged.remaining})


@bp.post("/queues/<queue>/pause")
@requires("manage")
def pause(queue: str) -> Response:
    asked = read_pause()
    pauses = services().catalog.pause(queue, asked.operations, until_ms=asked.until_ms, by=actor())
    return json_response({"queue": queue, "paused": write_pauses(pauses)})


@bp.post("/queues/<queue>/resume")
@requires("manage")
def resume(queue: str) -> Response:
    pauses = services().catalog.resume(queue, read_resume().operations, by=actor())
    return json_response({"queue": queue, "paused": write_pauses(pauses)})


def _etag(tag: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"'}
