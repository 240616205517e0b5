"""Makes the threads of a worker change places less often, which takes a third of the time of a request.

The threads of a Python process run one at a time. The system does not know that: it spreads them, so that each
hand-over wakes another CPU and finds its caches cold, and lets whoever wakes push the one aside that holds the lock
(decision 0026).
"""

from __future__ import annotations

import fcntl
import os
import random
from contextlib import suppress
from itertools import count
from pathlib import Path

_claims: list[int] = []  # files that stay open, and locked, as long as this process lives


def own_cpu(claims: str, *, workers: int) -> int | None:
    """The CPU that the fewest other workers have. `claims` is a directory that all of them share.

    None where a CPU would be left without a worker: others may need the ones that are taken, and a worker that keeps to
    one cannot make way. Nor where the system knows no affinity.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    cpus = sorted(os.sched_getaffinity(0))
    if workers < len(cpus):
        return None
    random.Random(claims).shuffle(cpus)  # noqa: S311 - the odd ones of several services need not meet  # nosec B311
    with suppress(OSError):
        return next(cpu for turn in count() for cpu in cpus if _is_claimed(Path(claims) / f"cpu-{cpu}-{turn}"))
    return None


def settle_on(cpu: int | None) -> None:
    """Lets this thread and those that it starts push nobody aside, and keep to `cpu`; unless a sandbox forbids it."""
    with suppress(OSError):
        if hasattr(os, "SCHED_BATCH"):  # who wakes waits until the one that runs has done its turn
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with suppress(OSError):
        if cpu is not None:
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
