"""Hashes and checks passwords with argon2id, a bounded number at once, so that logins cannot eat the memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import RateLimited

# OWASP's first choice for argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_MAX_AT_ONCE = 2
_MAX_WAITING = 4

# What a wrong name is checked against, so that it takes as long as a wrong password.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$zYH0Q2pQbmPv2lKq0Q0R7g$n3mUe2n7Z0Nf7yX0tcV8VfYw0mE4q7yqf2pVwq3m3rY"


class Passwords:
    """One argon2id hasher; thread-safe. Raises `RateLimited` where too many wait for their turn."""

    def __init__(self) -> None:
        # Threads of their own: the C library keeps the 19 MiB of a hash for each thread that ever computed one.
        self._threads = ThreadPoolExecutor(_MAX_AT_ONCE, thread_name_prefix="argon2")
        self._places = threading.BoundedSemaphore(_MAX_AT_ONCE + _MAX_WAITING)

    def hash(self, password: str) -> str:
        """The encoded hash to keep."""
        with self._place():
            return self._threads.submit(_HASHER.hash, password).result()

    def matches(self, password: str, kept: str | None) -> bool:
        """Whether `password` is the one that was hashed; takes as long where nothing was kept (None)."""
        with self._place():
            return self._threads.submit(_verify, kept or _NOBODY, password).result() and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than those of today."""
        return _HASHER.check_needs_rehash(kept)

    @contextmanager
    def _place(self) -> Iterator[None]:
        # Whoever waits holds a thread, and a flood of logins must leave some to the others.
        if not self._places.acquire(blocking=False):
            raise RateLimited("Too many logins at once; try again in a moment.")
        try:
            yield
        finally:
            self._places.release()


def _verify(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
