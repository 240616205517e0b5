"""The index of queues: their names, in one place for all of a prefix (decision 0003)."""

from __future__ import annotations

from app.errors import TooManyQueues
from app.storage.keys import queue_index
from app.storage.lines import Commands
from app.storage.redis_client import translating_errors
from app.storage.scripts import Script

MAX_REMEMBERED_QUEUES = 10_000
NO_LIMIT = 2**53


class QueueIndex:
    """Knows which names it has listed, so that a push to a queue that is in use costs nothing more."""

    def __init__(self, commands: Commands, *, prefix: str, most: int) -> None:
        self._commands = commands
        self._key = queue_index(prefix)
        self._most = most
        self._listed: set[str] = set()
        self._enlist = Script("enlist")

    def __contains__(self, queue: str) -> bool:
        """Whether this process has listed `queue`."""
        return queue in self._listed

    def add(self, queue: str) -> None:
        """Lists `queue`. Raises `TooManyQueues`, `StoreUnavailable`, `StoreFull`."""
        self._add(queue, self._most)

    def keep(self, queue: str) -> None:
        """Lists `queue`, which is there, however many there are. Raises `StoreUnavailable`, `StoreFull`."""
        self._add(queue, NO_LIMIT)

    def _add(self, queue: str, most: int) -> None:
        self._listed.discard(queue)
        if not self._enlist.run(self._commands, [self._key], [queue, most]):
            raise TooManyQueues(f"There are {most} queues, as many as PULPO_MAX_QUEUES allows; delete some.")
        if len(self._listed) >= MAX_REMEMBERED_QUEUES:
            self._listed.clear()
        self._listed.add(queue)

    def remove(self, queue: str) -> None:
        """Strikes `queue` off."""
        self._listed.discard(queue)
        with translating_errors():
            self._commands.execute_command("ZREM", self._key, queue)

    def page(self, *, after: str, limit: int) -> list[str]:
        """Up to `limit` names in the order of their bytes, beyond `after`."""
        with translating_errors():
            names: list[bytes] = self._commands.execute_command(
                "ZRANGEBYLEX", self._key, f"({after}" if after else "-", "+", "LIMIT", 0, limit
            )
        return [name.decode() for name in names]
