"""Reads the receipts that a caller settles: one, or several."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.errors import Fault, Invalid
from app.models import MAX_BATCH
from app.web import payloads
from app.web.exchange import Call

MAX_RECEIPT_LENGTH = 256

ReceiptText = Annotated[str, Meta(max_length=MAX_RECEIPT_LENGTH)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receipt, or several."""

    receipt: ReceiptText | UnsetType = UNSET
    receipts: Annotated[list[ReceiptText], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query string with nothing in it."""


class Receipts(msgspec.Struct, frozen=True):
    """The receipts of a request, and whether they came as a list."""

    receipts: list[str]
    is_plural: bool


def read_receipts(call: Call) -> Receipts:
    """The receipts that `call` settles. Raises `Malformed`, `Invalid`."""
    payloads.convert(call.options, NoOptions)
    body = payloads.decode(call.body, Body)
    if body.receipt is not UNSET and body.receipts is UNSET:
        return Receipts([body.receipt], is_plural=False)
    if body.receipts is not UNSET and body.receipt is UNSET:
        return Receipts(body.receipts, is_plural=True)
    detail = "Send either receipt or receipts."
    raise Invalid(detail, faults=[Fault(detail, pointer="/receipt")])
