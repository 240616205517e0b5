"""What the stores share beside keys and scripts: what is answered by one and told to another."""

from __future__ import annotations

import os
from collections.abc import Sequence

from app.errors import QueueNotFound
from app.models import Counts

INCARNATION_BYTES = 8


def new_incarnation() -> bytes:
    """What tells a queue from one of the same name that was there before."""
    return os.urandom(INCARNATION_BYTES).hex().encode()


def counts_of(reply: Sequence[int]) -> Counts:
    """What `counts.lua` answers."""
    ready, delayed, leased, dead, size, age = reply
    oldest = None if age < 0 else age
    return Counts(ready=ready, delayed=delayed, leased=leased, dead=dead, bytes=size, oldest_age_ms=oldest)


def queue_not_found(queue: str) -> QueueNotFound:
    """The refusal where a script found no queue."""
    return QueueNotFound(f"There is no queue {queue}; a queue exists from its first push or its settings.")
