"""What is left to do once a request is answered, timing and logging: done by one thread for many requests at once.

Done for each by itself it takes a request a quarter of its time (decision 0027).
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

EVERY_SECONDS = 0.1
MOST_LEFT = 10_000  # then the requests do it themselves, so that a log that nobody reads stops them, as it should

Work = Callable[[list[Any]], None]

log = logging.getLogger(__name__)


class Backlog:
    """The thread is started when something is first left, so not before the process was forked."""

    def __init__(self) -> None:
        self._items: deque[tuple[Work, Any]] = deque()
        self._working = threading.Lock()
        self._starting = threading.Lock()
        self._wakes = threading.Event()
        self._is_awake = False
        self._thread: threading.Thread | None = None

    def leave(self, work: Work, item: Any) -> None:
        """Has `work` done on `item`, together with others, within a tenth of a second or so."""
        self._items.append((work, item))
        if not self._is_awake:
            self._wake()
        if len(self._items) > MOST_LEFT:
            self.work_off()

    def work_off(self) -> None:
        """Does all that was left until now."""
        with self._working:
            items: dict[Work, list[Any]] = {}
            for _ in range(len(self._items)):
                work, item = self._items.popleft()
                items.setdefault(work, []).append(item)
            for work, those in items.items():
                try:
                    work(those)
                except Exception:  # whatever breaks, the next ones are worth the same try
                    log.exception("what was left of %d requests was not done", len(those))

    def _wake(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pulpo-afterwards", daemon=True)
                self._thread.start()
            self._is_awake = True
            self._wakes.set()

    def _run(self) -> None:
        while True:
            self._wakes.wait()
            self._wakes.clear()
            time.sleep(EVERY_SECONDS)
            self._is_awake = False  # whoever leaves something from now on wakes it anew
            self.work_off()


_backlog = Backlog()
leave = _backlog.leave
work_off = _backlog.work_off
atexit.register(work_off)
