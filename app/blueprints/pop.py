"""POST /pop: takes the oldest message, or up to a thousand; with a lease it borrows them."""

from __future__ import annotations

from flask import Blueprint, Response

from app.errors import NotAcceptable
from app.models import DEFAULT_QUEUE
from app.web import timings
from app.web.context import Services
from app.web.exchange import OCTETS, Answer, Call
from app.web.flask_door import answer
from app.web.guard import requires
from app.web.operations import EXAMPLE_ID, EXAMPLE_RECEIPT, EXAMPLE_TIME, operation
from app.web.pops import RAW_HEADERS, Message, Messages, PopOptions, read_pop, write_pop

bp = Blueprint("pop", __name__)


@bp.post("/pop")
@bp.post("/queues/<queue>/pop")
@requires("pop")
@operation(
    {200: (Message, Messages), 204: None},
    query=PopOptions,
    body=PopOptions,
    raises=(NotAcceptable,),
    request_headers=("Idempotency-Key", "Accept"),
    headers={200: ("Retry-After", *RAW_HEADERS), 204: ("Retry-After",)},
    other_media={200: OCTETS},
    examples={
        "body": {"lease": 30, "wait": 20},
        200: {
            "queue": "default",
            "id": EXAMPLE_ID,
            "message": {"order": 42},
            "attempt": 1,
            "pushed_at": EXAMPLE_TIME,
            "receipt": EXAMPLE_RECEIPT,
            "lease_expires_at": EXAMPLE_TIME,
        },
    },
)
def pop(queue: str = DEFAULT_QUEUE) -> Response:
    """Takes the oldest message of the highest priority, or up to 1,000; with a lease it borrows them."""
    return answer(pop_messages, queue)


def pop_messages(services: Services, call: Call) -> Answer:
    """200 with the message, or with `messages`; an empty queue is no error."""
    asked = read_pop(call)
    popped = services.queues.pop(
        call.queue,
        limit=asked.limit,
        lease_ms=asked.lease_ms,
        key=call.key,
        wait_seconds=asked.wait_seconds,
        client=call.client,
    )
    timings.delivered(call.queue, popped)
    return write_pop(call.queue, asked, popped)
