"""GET /queues/{queue}/messages: a look at what lies in a queue; nothing changes by it."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.errors import QueueNotFound
from app.web import dead_letters
from app.web.context import services
from app.web.flask_door import json_response
from app.web.guard import requires
from app.web.operations import operation
from app.web.peeks import Peek, PeekedMessages, read_peek, write_peek

bp = Blueprint("messages", __name__)


@bp.get("/queues/<queue>/messages")
@requires("peek")
@operation({200: PeekedMessages}, query=Peek, raises=(QueueNotFound,))
def messages(queue: str) -> Response:
    """Looks at messages in one state; nothing changes by it."""
    if request.args.get("state") == "dead":
        letters = dead_letters.read_peek()
        page = services().dead_letters.page(queue, letters.filter, limit=letters.limit, cursor=letters.place)
        return json_response(dead_letters.write_peek(page))
    asked = read_peek()
    return json_response(
        write_peek(asked, services().catalog.peek(queue, asked.state, offset=asked.offset, limit=asked.limit))
    )
