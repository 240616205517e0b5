"""POST /ack, /nack, /extend: leased messages are done, given back, or kept longer."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.errors import Forbidden, LeaseLost, MessageNotFound, NotDurable
from app.web import timings
from app.web.context import Services
from app.web.exchange import DURABLE, Answer, Call
from app.web.flask_door import answer
from app.web.guard import signed_in
from app.web.operations import EXAMPLE_ID, EXAMPLE_RECEIPT, operation
from app.web.settlements import Ack, Done, Extend, Nack, Results, read_settlement, write_settlement

bp = Blueprint("settle", __name__)

ANSWERS = {200: (Done, Results)}
REFUSALS = (Forbidden, MessageNotFound, LeaseLost)
EXAMPLES: dict[str | int, dict[str, Any]] = {"body": {"receipt": EXAMPLE_RECEIPT}, 200: {"id": EXAMPLE_ID}}

# Each receipt names its queue, so the service checks the permission on it, receipt by receipt.


@bp.post("/ack")
@signed_in
@operation(
    ANSWERS,
    body=Ack,
    raises=(*REFUSALS, NotDurable),
    request_headers=("Prefer",),
    headers={200: ("Preference-Applied",)},
    examples=EXAMPLES,
)
def ack() -> Response:
    """Done: removes what the receipts lease."""
    return answer(ack_messages)


@bp.post("/nack")
@signed_in
@operation(
    ANSWERS,
    body=Nack,
    raises=REFUSALS,
    examples=EXAMPLES | {"body": EXAMPLES["body"] | {"delay": 5, "error": "timeout"}},
)
def nack() -> Response:
    """Gives back what the receipts lease: now, later, or to the dead letters."""
    return answer(nack_messages)


@bp.post("/extend")
@signed_in
@operation(ANSWERS, body=Extend, raises=REFUSALS, examples=EXAMPLES | {"body": EXAMPLES["body"] | {"lease": 60}})
def extend() -> Response:
    """Keeps what the receipts lease for `lease` seconds from now."""
    return answer(extend_messages)


def ack_messages(services: Services, call: Call) -> Answer:
    """200 with the `id` of the message, or with `results`, an item for each receipt."""
    asked = read_settlement(call, Ack)
    results = services.queues.ack(call.caller, asked.asked, durable=call.is_durable)
    timings.acked(results)
    is_proven = call.is_durable and any(each.status == "acked" for each in results)
    return write_settlement(asked, results, DURABLE if is_proven else {})


def nack_messages(services: Services, call: Call) -> Answer:
    """200 with the `id` of the message, or with `results`, an item for each receipt."""
    asked = read_settlement(call, Nack)
    return write_settlement(asked, services.queues.nack(call.caller, asked.asked, asked.how))


def extend_messages(services: Services, call: Call) -> Answer:
    """200 with `id` and `lease_expires_at`, or with `results`, an item for each receipt."""
    asked = read_settlement(call, Extend)
    return write_settlement(asked, services.queues.extend(call.caller, asked.asked, lease_ms=round(asked.lease * 1000)))
