"""The envelope: a small header before the message's own bytes, moved whole and never rewritten on delivery.

    offset  0  16 bytes  id: UUIDv7 of milliseconds, the queue's sequence and 4 random bytes
    offset 16   1 byte   layout version, 1
    offset 17   1 byte   flags: bits 0-1 priority (0 high, 1 normal, 2 low)
    offset 18   2 bytes  deliveries that have ended, big-endian
    offset 20   2 bytes  length of the metadata, big-endian
    offset 22            metadata (MessagePack, absent for plain JSON), then the body

`push.lua` writes the id, since Redis's clock and the queue's sequence are in it; the rest is written here.
The sequence makes ids sort in the order of pushes, so messages that fall due together keep it.
"""

from __future__ import annotations

import struct

import msgspec

from app.models import Delivery, NewMessage, Receipt, format_id

VERSION = 1
NORMAL_PRIORITY = 1
ID_BYTES = 16
HEADER_BYTES = 22

_TAIL = struct.Struct(">BBHH")


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, rename={"content_type": "t"}):
    """What a message carries beside its body; only Python reads it."""

    content_type: str | None = None


_encode_metadata = msgspec.msgpack.Encoder().encode
_decode_metadata = msgspec.msgpack.Decoder(Metadata).decode


def seal(message: NewMessage) -> bytes:
    """Everything of the envelope after its id."""
    metadata = b"" if message.content_type is None else _encode_metadata(Metadata(message.content_type))
    return _TAIL.pack(VERSION, NORMAL_PRIORITY, 0, len(metadata)) + metadata + message.body


def unseal(envelope: bytes, *, attempt: int, receipt: Receipt | None) -> Delivery:
    """The delivery that an envelope makes."""
    metadata_length = int.from_bytes(envelope[20:HEADER_BYTES], "big")
    body_offset = HEADER_BYTES + metadata_length
    metadata = _decode_metadata(envelope[HEADER_BYTES:body_offset]) if metadata_length else None
    return Delivery(
        id=format_id(envelope[:ID_BYTES]),
        body=envelope[body_offset:],
        content_type=metadata.content_type if metadata else None,
        attempt=attempt,
        pushed_at_ms=int.from_bytes(envelope[:6], "big"),
        receipt=None if receipt is None else str(receipt),
    )


def ended_deliveries(envelope: bytes) -> int:
    """How many deliveries of the message have ended."""
    return int.from_bytes(envelope[18:20], "big")
