"""Long poll: who waits for messages in this process, and who is woken when some come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Protocol

import msgspec

from app import patience
from app.models import Popped
from app.services.ports import Client, Hints

LOOK_SECONDS = 1.0


class Take(Protocol):
    """One try at a queue; if there is nothing, asks for hints for so many `waiters`.

    `is_look`: most likely there is nothing.
    """

    def __call__(self, *, waiters: int, is_look: bool = False) -> Popped: ...


class LongPoll:
    """Waits without holding anything in Redis.

    A hint wakes as many waiters as messages came. Without hints only the waiter that came first at a queue looks, once
    a second and when a message falls due; whoever leaves wakes the next one, so that no message is left lying. All
    others sleep, unless their clients leave.
    """

    def __init__(self, hints: Hints, *, most: int) -> None:
        self._hints = hints
        self._room = WaitingRoom(most=most)

    def wait_for(self, queue: str, take: Take, *, seconds: float, client: Client | None) -> Popped:
        """What `take` takes as soon as it takes something, within `seconds`; nothing once the `client` has left."""
        deadline = time.monotonic() + seconds
        with self._room.enter(queue) as waiter:
            if waiter is None:
                return msgspec.structs.replace(take(waiters=0), waited=False)
            self._hints.listen(self._room.hint)
            with nullcontext() if client is None else client.telling(waiter.wake):
                return self._wait(queue, waiter, take, deadline, client)

    def close(self) -> None:
        """Answers everybody who waits, now and from now on."""
        self._room.close()

    def _wait(self, queue: str, waiter: Waiter, take: Take, deadline: float, client: Client | None) -> Popped:
        was_woken = self._room.size_of(queue) == 1  # the first try is in good hope, unless others wait here in vain
        while client is None or not client.has_left():
            left = deadline - time.monotonic()
            patience.renew()
            popped = take(waiters=self._room.size_of(queue) if left > 0 else 0, is_look=not was_woken)
            if popped.deliveries or left <= 0 or self._room.is_closed:
                return popped
            due_in = LOOK_SECONDS if popped.due_in_ms is None else min(LOOK_SECONDS, popped.due_in_ms / 1000)
            was_woken = self._sleep(queue, waiter, deadline, due_in)
        return Popped(())

    def _sleep(self, queue: str, waiter: Waiter, deadline: float, due_in: float) -> bool:
        """Sleeps until the deadline, the first of a queue for `due_in` seconds; says whether the waiter was woken."""
        left = max(0.0, deadline - time.monotonic())
        return waiter.sleep(min(left, due_in) if self._room.is_first(queue, waiter) else left)


class Waiter:
    """A thread that waits at one queue."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def sleep(self, seconds: float) -> bool:
        """Sleeps until it is woken, `seconds` at most; says whether it was."""
        was_woken = self._woken.wait(seconds)
        if was_woken:  # a wake that comes from now on is for the next sleep
            self._woken.clear()
        return was_woken

    def wake(self) -> None:
        self._woken.set()


class WaitingRoom:
    """The waiters of this process by queue, oldest first, a bounded number of them. Thread-safe."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._queues: dict[str, deque[Waiter]] = {}
        self._count = 0
        self.is_closed = False

    @contextmanager
    def enter(self, queue: str) -> Iterator[Waiter | None]:
        """A place at `queue` for as long as the block runs; None if the room is full or closed."""
        waiter = self._add(queue)
        try:
            yield waiter
        finally:
            if waiter is not None:
                self._remove(queue, waiter)

    def is_first(self, queue: str, waiter: Waiter) -> bool:
        """Whether `waiter` is the one that looks out for the others at `queue`."""
        with self._lock:
            return self._queues[queue][0] is waiter

    def size_of(self, queue: str) -> int:
        """How many wait at `queue`."""
        with self._lock:
            return len(self._queues.get(queue, ()))

    def hint(self, queue: str, count: int) -> None:
        """Wakes the `count` oldest waiters at `queue`: so many messages may have come."""
        with self._lock:
            woken = list(islice(self._queues.get(queue, ()), count))
        for waiter in woken:
            waiter.wake()

    def close(self) -> None:
        """Wakes everybody for good: the process stops. Takes no lock, so that a signal's handler may call it."""
        self.is_closed = True
        for waiters in list(self._queues.values()):
            for waiter in list(waiters):
                waiter.wake()

    def _add(self, queue: str) -> Waiter | None:
        with self._lock:
            if self.is_closed or self._count >= self._most:
                return None
            waiter = Waiter()
            self._queues.setdefault(queue, deque()).append(waiter)
            self._count += 1
            return waiter

    def _remove(self, queue: str, waiter: Waiter) -> None:
        with self._lock:
            waiters = self._queues[queue]
            was_first = waiters[0] is waiter
            waiters.remove(waiter)
            self._count -= 1
            if not waiters:
                del self._queues[queue]
            elif was_first:
                # The next one looks out from now on: it must look once, for a message may be there already.
                waiters[0].wake()
