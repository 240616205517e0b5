"""Asks sentinels who the primary is, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError, Sentinel

from app.redis_url import Address

ANSWER_SECONDS = 0.4  # to connect to a sentinel, and again to hear from it
LOOK_SECONDS = 1.2  # all together; a connection to the primary and a command come after that


class Sentinels(Sentinel):
    """redis-py's, but it gives up in time, however many do not answer, and threads may ask at once."""

    def __init__(self, addresses: Sequence[Address], *, credentials: dict[str, Any], **primary: Any) -> None:
        timeouts = {
            "socket_connect_timeout": ANSWER_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "retry": primary["retry"],
        }
        super().__init__(addresses, sentinel_kwargs={**timeouts, **credentials}, **primary)  # type: ignore[no-untyped-call]
        self._first = 0  # the one that answered last

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the primary. Raises `MasterNotFoundError` if no sentinel tells one that is up."""
        deadline = time.monotonic() + LOOK_SECONDS
        count, first = len(self.sentinels), self._first
        told: list[str] = []
        for place in ((first + step) % count for step in range(count)):
            if time.monotonic() > deadline:
                break
            try:
                masters: Any = self.sentinels[place].sentinel_masters()
            except RedisError as error:
                told.append(str(error))
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                self._first = place
                return state["ip"], state["port"]
            told.append(f"{service_name} is {'down' if state else 'unknown'}")
        raise MasterNotFoundError(f"no sentinel tells a primary that is up: {'; '.join(told)}")
