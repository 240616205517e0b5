"""GET and PUT /queues/{queue}: the settings of a queue, and what happened in it."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web.context import actor, services
from app.web.exchange import json_response
from app.web.guard import requires
from app.web.queue_settings import read_settings, write_queue

bp = Blueprint("queues", __name__)


@bp.get("/queues/<queue>")
@requires("count")
def describe(queue: str) -> Response:
    return json_response(write_queue(queue, *services().queues.describe(queue)))


@bp.put("/queues/<queue>")
@requires("manage")
def configure(queue: str) -> Response:
    settings = read_settings()
    is_new, totals = services().queues.configure(queue, settings, by=actor())
    return json_response(write_queue(queue, settings, totals), 201 if is_new else 200)
