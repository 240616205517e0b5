"""Hears the hints that scripts publish when messages come to a queue where somebody waits."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import ConnectionError, RedisError

from app.storage.keys import hint_channel
from app.storage.lines import Servers

log = logging.getLogger(__name__)

PING_SECONDS = 1.5
SILENCE_SECONDS = 2 * PING_SECONDS  # then the server is frozen or cut off: nothing else would tell
RECONNECT_SECONDS = 1.0
HINT = re.compile(rb"(\S{1,80}) (\d{1,9})")


class RedisHints:
    """One connection a process, made when somebody first waits. What it misses, the waiters find by looking."""

    def __init__(self, servers: Servers, *, prefix: str) -> None:
        self._servers = servers
        self._channel = hint_channel(prefix)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._are_heard = True

    def listen(self, hint: Callable[[str, int], None]) -> None:
        """Calls `hint` with queue and number of messages for each hint from now on; the first call counts."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=[hint], name="pulpo-hints", daemon=True)
                self._thread.start()

    def _run(self, hint: Callable[[str, int], None]) -> None:
        while True:
            try:
                self._receive(hint)
            except RedisError as error:
                # Once, not each second for as long as it lasts.
                log.log(logging.WARNING if self._are_heard else logging.DEBUG, "hints cannot be heard: %s", error)
                self._are_heard = False
                time.sleep(RECONNECT_SECONDS)

    def _receive(self, hint: Callable[[str, int], None]) -> None:
        with self._servers.subscriber() as subscriber:
            subscriber.subscribe(self._channel)
            self._are_heard = True
            heard_at = pinged_at = time.monotonic()
            while True:
                message = subscriber.get_message(timeout=PING_SECONDS)
                now = time.monotonic()
                if message is not None:
                    heard_at = now
                    _pass_on(message, hint)
                if now - heard_at >= SILENCE_SECONDS:
                    raise ConnectionError(f"nothing was heard for {SILENCE_SECONDS:.0f} s")
                if now - pinged_at >= PING_SECONDS:
                    subscriber.ping()
                    pinged_at = now


def _pass_on(message: dict[str, Any], hint: Callable[[str, int], None]) -> None:
    match = HINT.fullmatch(message["data"]) if message["type"] == "message" else None
    if match is not None:
        hint(match[1].decode(), int(match[2]))
