"""Gives each worker of gunicorn a CPU of its own where there is a worker for every CPU.

The threads of a Python process run one at a time. The system does not know that and spreads them, so that each
hand-over wakes another CPU and finds its caches cold.
"""

from __future__ import annotations

import fcntl
import os
import random
from itertools import count
from pathlib import Path

_claims: list[int] = []  # files that stay open, and locked, as long as this process lives


def keep_to_one_cpu(claims: str, *, workers: int) -> None:
    """Pins this thread, and those that it starts, to the CPU that the fewest other workers have.

    `claims` is a directory that all of them share.

    Does nothing where a CPU would be left without a worker: others may need the ones that are pinned, and a pinned
    worker cannot make way. Nor where the system knows no affinity.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cpus = sorted(os.sched_getaffinity(0))
    if workers < len(cpus):
        return
    random.Random(claims).shuffle(cpus)  # noqa: S311 - the odd ones of several services need not meet  # nosec B311
    cpu = next(cpu for turn in count() for cpu in cpus if _is_claimed(Path(claims) / f"cpu-{cpu}-{turn}"))
    os.sched_setaffinity(0, {cpu})


def _is_claimed(file: Path) -> bool:
    """Whether this process has the file now; the system takes it back when the process ends, however it does."""
    claim = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        return False
    _claims.append(claim)
    return True
