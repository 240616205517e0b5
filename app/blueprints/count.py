"""GET /count: how many messages wait, and the split by state."""

from __future__ import annotations

from flask import Blueprint, Response

from app.models import DEFAULT_QUEUE
from app.web import payloads
from app.web.context import Services
from app.web.exchange import Answer, Call, json_answer
from app.web.flask_door import answer
from app.web.guard import requires
from app.web.operations import operation
from app.web.queue_settings import QueueCount, write_count

bp = Blueprint("count", __name__)


@bp.get("/count")
@bp.get("/queues/<queue>/count")
@requires("count")
@operation({200: QueueCount})
def count(queue: str = DEFAULT_QUEUE) -> Response:
    """Counts the messages in each state."""
    return answer(count_messages, queue)


def count_messages(services: Services, call: Call) -> Answer:
    """200 with `count` (those ready), every state, bytes of bodies, and the oldest one's age in seconds."""
    payloads.convert(call.options, payloads.Nothing)
    counts = services.queues.count(call.queue)
    return json_answer(200, write_count(call.queue, counts))
