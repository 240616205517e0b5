"""Reads what a pop asks for, and writes what it took: as JSON, or a single message's bytes."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from app.errors import Fault, Invalid, NotAcceptable
from app.models import MAX_BATCH, MAX_LEASE_SECONDS, MAX_WAIT_SECONDS, Delivery, Popped, Priority
from app.web import payloads
from app.web.exchange import OCTETS, Answer, Call, Timestamp, json_answer, timestamp

EMPTY = "The queue is empty."
CLEARING = "Messages whose time to live was over are being cleared away; pop again."
PAUSED = "The queue is paused: nothing is delivered until it is resumed."
RETRY_AFTER_SECONDS = "1"
RAW_HEADERS = (
    *("Pulpo-Queue", "Pulpo-Id", "Pulpo-Attempt", "Pulpo-Pushed-At", "Pulpo-Content-Type"),
    *("Pulpo-Priority", "Pulpo-Group", "Pulpo-Attributes", "Pulpo-Receipt", "Pulpo-Lease-Expires-At"),
    "Pulpo-Traceparent",
)


class PopOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many to take, for how long, and how long to wait for one; in seconds. `lease` true: the queue's own."""

    max: Annotated[int, Meta(ge=1, le=MAX_BATCH)] | UnsetType = UNSET
    lease: bool | Annotated[float, Meta(ge=1, le=MAX_LEASE_SECONDS)] | UnsetType = UNSET
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT_SECONDS)] | UnsetType = UNSET


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is delivered: JSON as it was pushed; what was no JSON as text, or base64, with its content type.

    With a lease there are `receipt` and `lease_expires_at`. Where nothing was there, `id` and `message` are null, and
    `detail` says why.
    """

    queue: str | UnsetType = UNSET
    id: str | None
    message: Any
    content_type: str | UnsetType = UNSET
    encoding: Literal["base64"] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    group: str | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    attempt: int | UnsetType = UNSET
    pushed_at: Timestamp | UnsetType = UNSET
    receipt: str | UnsetType = UNSET
    lease_expires_at: Timestamp | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class Messages(msgspec.Struct, frozen=True):
    """Several messages; `detail` says why there are none."""

    queue: str
    messages: list[Message]
    detail: str | UnsetType = UNSET


class Pop(msgspec.Struct, frozen=True):
    """What a request asks for. `lease_ms` 0 removes, None leases for the queue's own time."""

    limit: int
    lease_ms: int | None
    wait_seconds: float
    is_plural: bool
    is_raw: bool


def read_pop(call: Call) -> Pop:
    """The pop that `call` asks for. Raises `Malformed`, `Invalid`, `NotAcceptable`."""
    options = payloads.with_query(payloads.decode(call.body, PopOptions), call.options, PopOptions)
    is_raw = call.accept.partition(";")[0].strip().lower() == OCTETS
    if is_raw and options.max is not UNSET:
        raise NotAcceptable("Raw bytes carry one message; leave max out, or accept application/json.")
    if call.key is not None and options.lease is UNSET:
        detail = "An Idempotency-Key needs a lease: what was removed cannot be answered again."
        raise Invalid(detail, faults=[Fault(detail, parameter="Idempotency-Key")])
    if options.wait and options.lease is UNSET and call.client is None:
        detail = "This server cannot see whether you are still there: wait with a lease, so that nothing is lost."
        raise Invalid(detail, faults=[Fault(detail, pointer="/wait")])
    return Pop(
        limit=1 if options.max is UNSET else options.max,
        lease_ms=_lease_ms(options.lease),
        wait_seconds=0 if options.wait is UNSET else options.wait,
        is_plural=options.max is not UNSET,
        is_raw=is_raw,
    )


def write_pop(queue: str, asked: Pop, popped: Popped) -> Answer:
    """The answer in the form that was asked for."""
    answer = _raw_answer(queue, popped) if asked.is_raw else _json_answer(queue, asked, popped)
    if popped.waited and not popped.is_clearing:
        return answer
    return msgspec.structs.replace(answer, headers={**answer.headers, "Retry-After": RETRY_AFTER_SECONDS})


def _json_answer(queue: str, asked: Pop, popped: Popped) -> Answer:
    ends = UNSET if popped.lease_expires_at_ms is None else timestamp(popped.lease_expires_at_ms)
    messages = [_message(UNSET if asked.is_plural else queue, each, ends) for each in popped.deliveries]
    detail = UNSET if messages else _why_empty(popped)
    if asked.is_plural:
        return json_answer(200, Messages(queue, messages, detail))
    return json_answer(200, messages[0] if messages else Message(queue=queue, id=None, message=None, detail=detail))


def _why_empty(popped: Popped) -> str:
    if popped.is_clearing:
        return CLEARING
    return PAUSED if popped.is_paused else EMPTY


def _lease_ms(lease: float | UnsetType) -> int | None:
    if lease is UNSET:
        return 0
    if lease is False:
        detail = "A lease is a number of seconds, or true for the queue's own; leave it out to remove the message."
        raise Invalid(detail, faults=[Fault(detail, pointer="/lease")])
    return None if lease is True else round(lease * 1000)


def _message(queue: str | UnsetType, delivery: Delivery, lease_expires_at: str | UnsetType) -> Message:
    return Message(
        queue=queue,
        id=delivery.id,
        **content(delivery),
        attempt=delivery.attempt,
        pushed_at=timestamp(delivery.pushed_at_ms),
        receipt=UNSET if delivery.receipt is None else delivery.receipt,
        lease_expires_at=lease_expires_at,
    )


def content(delivery: Delivery) -> dict[str, Any]:
    """`message` as JSON, as text, or as base64; what was no JSON says its content type; then what was said of it."""
    told = _body(delivery)
    told.update(_options(delivery))
    return told


def _body(delivery: Delivery) -> dict[str, Any]:
    if delivery.content_type is None:
        return {"message": Raw(delivery.body)}
    try:
        return {"message": delivery.body.decode(), "content_type": delivery.content_type}
    except UnicodeDecodeError:
        text = base64.b64encode(delivery.body).decode()
        return {"message": text, "content_type": delivery.content_type, "encoding": "base64"}


def _options(delivery: Delivery) -> dict[str, Any]:
    """Priority, group, attributes and trace, where they are not what most messages have."""
    options: dict[str, Any] = {}
    if delivery.priority != "normal":
        options["priority"] = delivery.priority
    if delivery.group is not None:
        options["group"] = delivery.group
    if delivery.attributes:
        options["attributes"] = delivery.attributes
    if delivery.traceparent is not None:
        options["traceparent"] = delivery.traceparent
    return options


def _raw_answer(queue: str, popped: Popped) -> Answer:
    if not popped.deliveries:
        return Answer(204, b"", OCTETS, {"Pulpo-Queue": queue})
    (delivery,) = popped.deliveries
    headers = {
        "Pulpo-Queue": queue,
        "Pulpo-Id": delivery.id,
        "Pulpo-Attempt": str(delivery.attempt),
        "Pulpo-Pushed-At": timestamp(delivery.pushed_at_ms),
        "Pulpo-Content-Type": delivery.content_type or "application/json",
    }
    headers |= {f"Pulpo-{name.title()}": _header(value) for name, value in _options(delivery).items()}
    if delivery.receipt is not None and popped.lease_expires_at_ms is not None:
        headers |= {"Pulpo-Receipt": delivery.receipt, "Pulpo-Lease-Expires-At": timestamp(popped.lease_expires_at_ms)}
    return Answer(200, delivery.body, OCTETS, headers)


def _header(value: str | dict[str, str]) -> str:
    """Attributes are a JSON object: their names and values are printable ASCII, so it is, too."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
