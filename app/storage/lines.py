"""Lines to Redis: connections that a thread takes for one command and gives back, with nothing done in between."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Protocol

from hiredis import pack_command
from redis import Connection, Redis
from redis.exceptions import RedisError, ResponseError

IDLE_SECONDS = 1.0
SPARE_SECONDS = 5.0


class Commands(Protocol):
    """What runs a command: lines, or a client of redis-py."""

    def execute_command(self, *command: Any) -> Any: ...


class Lines:
    """Sends each command once, on the connection that was used last: one send and one receive a command.

    A pool asks every connection whether it still stands before it gives it out, which costs more than the command
    itself. Here only one that lay idle is asked. When one breaks, most likely all have: those that lie here go back to
    the pool, closed. A process that has used them must not fork: parent and child would share connections.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._free: list[tuple[Connection, float]] = []  # and when it was used last

    def execute_command(self, *command: Any) -> Any:
        """The reply to `command`. Raises what redis-py raises."""
        packed = pack_command(command)
        connection = self._take()
        try:
            connection.send_packed_command([packed], check_health=False)  # type: ignore[no-untyped-call]
            reply = connection.read_response(disable_decoding=True)
        except ResponseError:
            self._give_back(connection)
            raise
        except BaseException:
            self._discard(connection)
            with suppress(IndexError):  # other threads take from it, too
                while True:
                    self._discard(self._free.pop()[0])
            raise
        self._give_back(connection)
        return reply

    def _take(self) -> Connection:
        try:
            connection, used_at = self._free.pop()
        except IndexError:
            return self._client.connection_pool.get_connection()
        if time.monotonic() - used_at > IDLE_SECONDS and _is_broken(connection):
            connection.disconnect()  # type: ignore[no-untyped-call]
        return connection

    def _give_back(self, connection: Connection) -> None:
        now = time.monotonic()
        self._free.append((connection, now))
        if now - self._free[0][1] > SPARE_SECONDS:  # it lay below all others: there are more than are needed
            self._discard(self._free.pop(0)[0])

    def _discard(self, connection: Connection) -> None:
        connection.disconnect()  # type: ignore[no-untyped-call]
        self._client.connection_pool.release(connection)


def _is_broken(connection: Connection) -> bool:
    """Whether something came that nobody asked for; that is the end, or the rest of an answer given up on."""
    try:
        return bool(connection.can_read())
    except (OSError, RedisError):
        return True
