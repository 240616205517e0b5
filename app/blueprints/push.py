"""POST /push: puts one message into a queue, or up to a thousand, all or nothing."""

from __future__ import annotations

from flask import Blueprint, Response

from app.models import DEFAULT_QUEUE
from app.web.context import Services
from app.web.exchange import Answer, Call, answer, json_answer
from app.web.guard import requires
from app.web.pushes import read_push

bp = Blueprint("push", __name__)

REPLAYED = {"Idempotency-Replayed": "true"}
DURABLE = {"Preference-Applied": "durable"}


@bp.post("/push")
@bp.post("/queues/<queue>/push")
@requires("push")
def push(queue: str = DEFAULT_QUEUE) -> Response:
    return answer(push_messages, queue)


def push_messages(services: Services, call: Call) -> Answer:
    """201 with the `id` of the message, or with the `ids` of several in their order; 200 if all were there before."""
    asked = read_push(call, services.limits)
    pushed = services.queues.push(call.queue, asked.messages, key=call.key, durable=asked.is_durable)
    ids = {"ids": pushed.ids} if asked.is_plural else {"id": pushed.ids[0]}
    content = {"queue": call.queue, **ids}
    headers = (DURABLE if asked.is_durable else {}) | ({} if pushed.new else REPLAYED)
    return json_answer(201 if pushed.new else 200, content, headers)
