"""Puts back what `make` wrote down, as if it had been written down now."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from redis import Redis

HAS_TTL, HAS_GROUP = 4, 8
FLAGS, CLOCK, CLOCK_END = 17, 28, 34
TIMES = (":delayed", ":leased:", ":dead:")


def restore(client: Redis, file: Path) -> dict[str, str]:
    """Makes the keys of `file` anew; answers the receipts that it tells of.

    All times are moved by as much as has passed since: of ZSETs, of `next_due`, and the clocks of ready messages.
    """
    told = json.loads(file.read_text(encoding="ascii"))
    later_ms = int(time.time() * 1000) - told["made_at_ms"]
    for key, kept in told["keys"].items():
        _put(client, key, kept["type"], kept["value"], later_ms)
    receipts: dict[str, str] = told["receipts"]
    return receipts


def _put(client: Redis, key: str, kind: str, value: Any, later_ms: int) -> None:
    if kind == "string":
        client.set(key, _bytes(value[0]), px=value[1])
    elif kind == "list":
        client.rpush(key, *(_later(_bytes(item), later_ms) for item in value))
    elif kind == "hash":
        if "next_due" in value:
            value["next_due"] = str(int(value["next_due"]) + later_ms)
        client.hset(key, mapping={_bytes(name): _bytes(item) for name, item in value.items()})
    else:
        moved_ms = later_ms if any(part in key for part in TIMES) else 0
        client.zadd(key, {_bytes(member): score + moved_ms for member, score in value})


def _later(envelope: bytes, later_ms: int) -> bytes:
    """A ready envelope, whose clock, if it has one, is a moment."""
    if not envelope[FLAGS] % HAS_GROUP >= HAS_TTL:
        return envelope
    moment_ms = int.from_bytes(envelope[CLOCK:CLOCK_END], "big") + later_ms
    return envelope[:CLOCK] + moment_ms.to_bytes(CLOCK_END - CLOCK, "big") + envelope[CLOCK_END:]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
