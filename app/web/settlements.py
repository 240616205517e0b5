"""Reads what a caller settles, one receipt or several, and writes what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.errors import Fault, Invalid
from app.models import MAX_BATCH, MAX_DELAY_SECONDS, MAX_LEASE_SECONDS, GiveBack, Settled, SettleStatus
from app.services.queues import settled_or_raise
from app.web import payloads
from app.web.exchange import Answer, Call, Timestamp, json_answer, timestamp
from app.web.operations import EXAMPLE_RECEIPT, Rules

MAX_ERROR_LENGTH = 1024


# A receipt that is none has a status, or an error, of its own; so the form is only told, not demanded.
RECEIPT_FORM = {"pattern": r"^[A-Za-z0-9_-]{43}\.[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"}
ReceiptText = Annotated[str, Meta(extra_json_schema=RECEIPT_FORM, examples=[EXAMPLE_RECEIPT])]


class Ack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receipt, or several."""

    SCHEMA: ClassVar[Rules] = {"oneOf": [{"required": ["receipt"]}, {"required": ["receipts"]}]}

    receipt: ReceiptText | UnsetType = UNSET
    receipts: Annotated[list[str], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET

    @property
    def asked(self) -> list[str]:
        """The receipts, however they came. Raises `Invalid` unless they came in one way."""
        if self.receipt is not UNSET and self.receipts is UNSET:
            return [self.receipt]
        if self.receipts is not UNSET and self.receipt is UNSET:
            return self.receipts
        detail = "Send either receipt or receipts."
        raise Invalid(detail, faults=[Fault(detail, pointer="/receipt")])


class Nack(Ack, frozen=True, forbid_unknown_fields=True):
    """How to give back: after `delay` seconds (the queue's backoff, if absent), or `dead`."""

    SCHEMA: ClassVar[Rules] = {
        **Ack.SCHEMA,
        "not": {"required": ["dead", "delay"], "properties": {"dead": {"const": True}}},
    }

    delay: Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)] | UnsetType = UNSET
    dead: bool = False
    error: Annotated[str, Meta(max_length=MAX_ERROR_LENGTH)] = ""

    @property
    def how(self) -> GiveBack:
        if self.dead and self.delay is not UNSET:
            detail = "A message that goes to the dead letters has no delay."
            raise Invalid(detail, faults=[Fault(detail, pointer="/delay")])
        return GiveBack(None if self.delay is UNSET else round(self.delay * 1000), self.dead, self.error)


class Extend(Ack, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to keep, in seconds from now."""

    lease: Annotated[float, Meta(ge=1, le=MAX_LEASE_SECONDS)]


class Done(msgspec.Struct, frozen=True):
    """One receipt was settled; `lease_expires_at` if it was extended."""

    id: str
    lease_expires_at: Timestamp | UnsetType = UNSET


class Result(msgspec.Struct, frozen=True):
    """What became of one of several receipts."""

    status: SettleStatus
    id: str | UnsetType = UNSET
    lease_expires_at: Timestamp | UnsetType = UNSET


class Results(msgspec.Struct, frozen=True):
    """What became of several receipts, in their order."""

    results: list[Result]


Form = TypeVar("Form", bound=Ack)


def read_settlement(call: Call, form: type[Form]) -> Form:
    """What `call` settles. Raises `Malformed`, `Invalid`."""
    payloads.convert(call.options, payloads.Nothing)
    return payloads.decode(call.body, form)


def write_settlement(asked: Ack, results: list[Settled], headers: Mapping[str, str] = {}) -> Answer:
    """The one result as itself, or as the error that it is; several as `results`, each with its status."""
    if asked.receipts is UNSET:
        done = settled_or_raise(results[0])
        return json_answer(200, Done(done.id or "", _ends(done)), headers)
    items = [Result(each.status, UNSET if each.id is None else each.id, _ends(each)) for each in results]
    return json_answer(200, Results(items), headers)


def _ends(result: Settled) -> str | UnsetType:
    return UNSET if result.lease_expires_at_ms is None else timestamp(result.lease_expires_at_ms)
