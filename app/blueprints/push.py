"""POST /push: puts one message into a queue, or up to a thousand, all or nothing."""

from __future__ import annotations

from flask import Blueprint, Response

from app.errors import (
    IdempotencyKeyReused,
    MessageTooLarge,
    NotDurable,
    QueueFull,
    QueuePaused,
    StoreFull,
    TooManyQueues,
    UnsupportedMediaType,
)
from app.models import DEFAULT_QUEUE
from app.web.context import Services
from app.web.exchange import DURABLE, OCTETS, Answer, Call, json_answer
from app.web.flask_door import answer
from app.web.guard import requires
from app.web.operations import EXAMPLE_ID, operation
from app.web.pushes import PushBody, Pushed, PushedBatch, PushOptions, read_push

bp = Blueprint("push", __name__)

REPLAYED = {"Idempotency-Replayed": "true"}


@bp.post("/push")
@bp.post("/queues/<queue>/push")
@requires("push")
@operation(
    {201: (Pushed, PushedBatch), 200: (Pushed, PushedBatch)},
    query=PushOptions,
    body=PushBody,
    raises=(
        *(MessageTooLarge, UnsupportedMediaType, IdempotencyKeyReused),
        *(QueuePaused, QueueFull, TooManyQueues, StoreFull, NotDurable),
    ),
    request_headers=("Idempotency-Key", "Prefer", "traceparent"),
    headers={200: ("Idempotency-Replayed", "Preference-Applied"), 201: ("Preference-Applied",)},
    other_media={"body": OCTETS},
    examples={
        "body": {"message": {"order": 42}, "priority": "high", "ttl": 60},
        201: {"queue": "default", "id": EXAMPLE_ID},
        200: {"queue": "default", "id": EXAMPLE_ID},
    },
)
def push(queue: str = DEFAULT_QUEUE) -> Response:
    """Puts one message into a queue, or up to 1,000, all or none."""
    return answer(push_messages, queue)


def push_messages(services: Services, call: Call) -> Answer:
    """201 with the `id` of the message, or with the `ids` of several in their order; 200 if all were there before."""
    asked = read_push(call, services.limits)
    pushed = services.queues.push(call.queue, asked.messages, key=call.key, durable=asked.is_durable)
    content = PushedBatch(call.queue, pushed.ids) if asked.is_plural else Pushed(call.queue, pushed.ids[0])
    headers = (DURABLE if asked.is_durable else {}) | ({} if pushed.new else REPLAYED)
    return json_answer(201 if pushed.new else 200, content, headers)
