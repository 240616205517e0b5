"""What clients are shown of messages, and what is read of it."""

from __future__ import annotations

import uuid

import pytest

from app.models import Receipt, format_id

RAW = bytes(range(240, 256))
RECEIPT = Receipt("orders.new", RAW, RAW[::-1])
TEXT = "8PHy8_T19vf4-fr7_P3-___-_fz7-vn49_b19PPy8fA.orders.new"


def test_an_id_is_shown_as_a_uuid() -> None:
    assert format_id(RAW) == str(uuid.UUID(bytes=RAW))


def test_a_receipt_is_shown_in_the_alphabet_of_urls_and_read_from_it() -> None:
    assert str(RECEIPT) == TEXT
    assert Receipt.parse(TEXT) == RECEIPT


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("-", "+"),
        TEXT.replace("_", "/"),
        TEXT.replace("8PHy", "8P\nHy"),
        TEXT.replace("8PHy", "8PH="),
        TEXT.replace("8PHy", "8PHü"),
        TEXT.replace("8PHy", "8PH\ud800"),
        TEXT[1:],
        "A" + TEXT,
        TEXT.removesuffix(".orders.new"),
        TEXT.replace("orders.new", "-orders"),
        "",
    ],
)
def test_what_differs_from_a_receipt_in_one_place_is_none(text: str) -> None:
    assert Receipt.parse(text) is None
