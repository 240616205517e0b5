"""POST /ack: tells that leased messages are done, so that they go for good."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web.context import Services
from app.web.exchange import Answer, Call, answer, json_answer
from app.web.guard import signed_in
from app.web.settlements import read_receipts

bp = Blueprint("settle", __name__)


@bp.post("/ack")
@signed_in
def ack() -> Response:
    return answer(ack_messages, "")


def ack_messages(services: Services, call: Call) -> Answer:
    """200 with the `id` of the message, or with `results`, an item for each receipt."""
    asked = read_receipts(call)
    if asked.is_plural:
        return json_answer(200, {"results": services.queues.ack_all(call.caller, asked.receipts)})
    return json_answer(200, {"id": services.queues.ack(call.caller, asked.receipts[0])})
