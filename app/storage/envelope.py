"""The envelope: a small header before the message's own bytes, moved whole and never rewritten on delivery.

    offset  0  16 bytes  id: UUIDv7 of milliseconds, the queue's sequence and 4 random bytes
    offset 16   1 byte   layout version, 1; a message of another one is not touched
    offset 17   1 byte   flags: bits 0-1 priority (0 high, 1 normal, 2 low), 4 has a time to live, 8 has a group
    offset 18   2 bytes  deliveries that have ended, big-endian
    offset 20   2 bytes  length of all that stands before the body, big-endian
    offset 22            with a time to live: all of it, then its clock (`clocks.lua`), 6 bytes of ms each;
                         with a group: 1 byte of length, then its name;
                         metadata (MessagePack, absent for plain JSON of which nothing more is said);
                         then the body

`push.lua` writes the id, since Redis's clock and the queue's sequence are in it; the rest is written here.
The sequence makes ids sort in the order of pushes, so messages that fall due together keep it.
What scripts mind has a place of its own; what only Python reads is metadata.
"""

from __future__ import annotations

import logging
import struct

import msgspec

from app.errors import StoreUnavailable
from app.models import PRIORITIES, Delivery, NewMessage, Receipt, format_id

log = logging.getLogger(__name__)

VERSION = 1
NEWER = -2  # what scripts answer where they meet another one
ID_BYTES = 16
HEADER_BYTES = 22
HAS_TTL, HAS_GROUP = 4, 8
TIME_BYTES = 6

_TAIL = struct.Struct(">BBHH")


SHORT_NAMES = {"content_type": "t", "attributes": "a", "traceparent": "p"}


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, rename=SHORT_NAMES):
    """What a message carries beside its body; only Python reads it."""

    content_type: str | None = None
    attributes: dict[str, str] = {}
    traceparent: str | None = None


_NO_METADATA = Metadata()
_encode_metadata = msgspec.msgpack.Encoder().encode
_decode_metadata = msgspec.msgpack.Decoder(Metadata).decode


def seal(message: NewMessage) -> bytes:
    """Everything of the envelope after its id."""
    flags, extras = PRIORITIES.index(message.priority), b""
    if message.ttl_ms is not None:
        flags += HAS_TTL
        extras += message.ttl_ms.to_bytes(TIME_BYTES, "big") * 2
    if message.group is not None:
        flags += HAS_GROUP
        group = message.group.encode()
        extras += bytes([len(group)]) + group
    metadata = Metadata(message.content_type, message.attributes, message.traceparent)
    if metadata != _NO_METADATA:
        extras += _encode_metadata(metadata)
    return _TAIL.pack(VERSION, flags, 0, len(extras)) + extras + message.body


def unseal(envelope: bytes, *, attempt: int, receipt: Receipt | None) -> Delivery:
    """The delivery that an envelope makes. Raises `StoreUnavailable` if it lies in a layout that is not known here."""
    if envelope[16] != VERSION:
        raise newer_layout()
    flags, body_offset = envelope[17], HEADER_BYTES + int.from_bytes(envelope[20:HEADER_BYTES], "big")
    offset = HEADER_BYTES + (2 * TIME_BYTES if flags & HAS_TTL else 0)
    group = None
    if flags & HAS_GROUP:
        end = offset + 1 + envelope[offset]
        group = envelope[offset + 1 : end].decode()
        offset = end
    metadata = _decode_metadata(envelope[offset:body_offset]) if offset < body_offset else _NO_METADATA
    return Delivery(
        id=format_id(envelope[:ID_BYTES]),
        body=envelope[body_offset:],
        content_type=metadata.content_type,
        attempt=attempt,
        pushed_at_ms=int.from_bytes(envelope[:6], "big"),
        receipt=None if receipt is None else str(receipt),
        priority=PRIORITIES[flags % HAS_TTL],
        group=group,
        attributes=metadata.attributes,
        traceparent=metadata.traceparent,
    )


def newer_layout() -> StoreUnavailable:
    """The refusal to touch a message that a newer Pulpo wrote."""
    log.error("a message lies in a layout that this version does not know; nothing was done to it")
    return StoreUnavailable(
        "A newer Pulpo wrote this message, in a layout that this one does not know. It stays where it is; ask a node of"
        " the newer version, or upgrade this one."
    )


def ended_deliveries(envelope: bytes) -> int:
    """How many deliveries of the message have ended."""
    return int.from_bytes(envelope[18:20], "big")
