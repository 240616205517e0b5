"""GET /queues/{queue}/dead and its kin: dead letters, seen, dropped, given back."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from app.errors import MessageNotFound, QueueNotFound
from app.web.context import actor, services
from app.web.dead_letters import (
    Letter,
    Letters,
    LettersPage,
    Redrive,
    Redriven,
    Removed,
    read_page,
    read_redrive,
    write_letter,
    write_page,
)
from app.web.flask_door import json_response
from app.web.guard import requires
from app.web.operations import operation

bp = Blueprint("dead", __name__)


@bp.get("/queues/<queue>/dead")
@requires("peek")
@operation({200: Letters}, query=LettersPage, raises=(QueueNotFound,))
def dead(queue: str) -> Response:
    """Lists dead letters, oldest death first."""
    asked = read_page()
    page = services().dead_letters.page(queue, asked.filter, limit=asked.limit, cursor=asked.place)
    return json_response(write_page(page))


@bp.get("/queues/<queue>/dead/<uuid:message_id>")
@requires("peek")
@operation({200: Letter}, raises=(QueueNotFound, MessageNotFound))
def dead_letter(queue: str, message_id: UUID) -> Response:
    """Shows one dead letter."""
    return json_response(write_letter(services().dead_letters.one(queue, message_id)))


@bp.delete("/queues/<queue>/dead/<uuid:message_id>")
@requires("manage")
@operation({200: Removed}, raises=(QueueNotFound, MessageNotFound))
def remove(queue: str, message_id: UUID) -> Response:
    """Drops one dead letter for good."""
    return json_response(Removed(services().dead_letters.remove(queue, message_id, by=actor()).message.id))


@bp.post("/queues/<queue>/redrive")
@requires("manage")
@operation(
    {200: Redriven}, body=Redrive, raises=(QueueNotFound,), examples={"body": {"reason": "rejected", "limit": 100}}
)
def redrive(queue: str) -> Response:
    """Gives dead letters back to their queue: all, by ids, or by a filter."""
    asked = read_redrive()
    result = services().dead_letters.redrive(queue, asked.filter, asked.ids or (), limit=asked.limit, by=actor())
    return json_response(Redriven(result.moved, result.remaining))
