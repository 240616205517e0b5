"""Lines to Redis: connections that a thread takes for one command and gives back, with nothing done in between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from hiredis import pack_command
from redis import Connection, Redis
from redis.client import PubSub
from redis.exceptions import ReadOnlyError, RedisError, ResponseError, TimeoutError

from app import patience
from app.errors import StoreUnavailable
from app.redis_url import Topology

IDLE_SECONDS = 1.0
SPARE_SECONDS = 5.0
# Together they keep all Redis work of a request under 5 s (`app.patience`): a connection may have to be made first.
CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 2.0  # for a command, and for each step of logging in
SHORTEST_SECONDS = 0.001  # 0 would mean: without a wait
HURRY_SECONDS = 2 * COMMAND_SECONDS  # with less left than for sending and reading, the answer has no longer than that

Command = Sequence[Any]


class Commands(Protocol):
    """What runs a command: lines, or a client of redis-py."""

    def execute_command(self, *command: Any) -> Any: ...


class Held(Commands, Protocol):
    """One connection for several commands; `redis` is redis-py's client of it."""

    @property
    def redis(self) -> Redis: ...


class Shard(NamedTuple):
    """A primary: its slots in a Cluster, else nothing; a client of it; and a key that lies on it."""

    slots: str
    client: Redis
    key: str


class Servers(Commands, Protocol):
    """The servers of one Redis, however many: all that storage asks of them. Each raises what redis-py raises."""

    topology: Topology

    def execute_commands(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to `commands`, in one round trip a server; a refusal of one stands in its place, not raised."""

    def hold(self, key: str) -> AbstractContextManager[Held]:
        """A connection to the server that has `key`, nobody else's for as long as the block runs."""

    def shards(self, base: str) -> list[Shard]:
        """Every primary, with a key that begins with `base`."""

    def subscriber(self) -> PubSub:
        """What hears all that is published."""

    def close(self) -> None:
        """Closes the connections that nobody uses."""


class Lines:
    """Sends each command once, on the connection that was used last: one send and one receive a command.

    A pool asks every connection whether it still stands before it gives it out, which costs more than the command
    itself. Here only one that lay idle is asked. When one breaks, or leads to what is no primary any more, most likely
    all do: those that lie here and in the pool are closed, and the next one looks for the server anew. A process that
    has used them must not fork: parent and child would share connections.
    """

    def __init__(self, client: Redis, *, topology: Topology = "standalone") -> None:
        self.client = client
        self.topology = topology
        self._free: list[tuple[Connection, float]] = []  # and when it was used last

    def execute_command(self, *command: Any) -> Any:
        """The reply to `command`. Raises what redis-py raises."""
        packed = pack_command(command)
        began = time.monotonic()
        connection = self._take(began)
        try:
            connection.send_packed_command([packed], check_health=False)  # type: ignore[no-untyped-call]
            reply = _read(connection, began)
        except ResponseError as error:
            if isinstance(error, ReadOnlyError):
                self._discard_all(connection)
            else:
                self._give_back(connection, began)
            raise
        except BaseException:
            patience.spend(time.monotonic() - began)
            self._discard_all(connection)
            raise
        self._give_back(connection, began)
        return reply

    def execute_commands(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to `commands`, sent together; a refusal of one stands in its place."""
        packed = [pack_command(tuple(command)) for command in commands]
        began = time.monotonic()
        connection = self._take(began)
        try:
            connection.send_packed_command(packed, check_health=False)  # type: ignore[no-untyped-call]
            replies = [_reply_or_refusal(connection, began) for _ in commands]
        except BaseException:
            patience.spend(time.monotonic() - began)
            self._discard_all(connection)
            raise
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            self._discard_all(connection)
        else:
            self._give_back(connection, began)
        return replies

    @contextmanager
    def hold(self, key: str) -> Iterator[Held]:  # noqa: ARG002 - all keys are on this server
        """A connection for the block alone; if Redis fails in it, the others are closed as well."""
        began = time.monotonic()
        _check_that_time_is_left()
        try:
            with self.client.client() as one:  # type: ignore[no-untyped-call]
                patience.spend(time.monotonic() - began)
                yield _HeldConnection(one)  # redis-py closes it whenever an answer was not read to its end
        except (RedisError, StoreUnavailable):
            self.close()
            raise

    def shards(self, base: str) -> list[Shard]:
        return [Shard("", self.client, base)]

    def subscriber(self) -> PubSub:
        return self.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call,no-any-return]

    def close(self) -> None:
        """Closes the connections that nobody uses."""
        with suppress(IndexError):  # other threads take from it, too
            while True:
                self._discard(self._free.pop()[0])
        self.client.connection_pool.disconnect(inuse_connections=False)

    def _take(self, now: float) -> Connection:
        try:
            connection, used_at = self._free.pop()
        except IndexError:
            return self._connect(now)
        if now - used_at > IDLE_SECONDS and _is_broken(connection):
            self._discard(connection)
            return self._connect(now)
        return connection

    def _connect(self, began: float) -> Connection:
        try:
            _check_that_time_is_left()
            return self.client.connection_pool.get_connection()
        except BaseException:
            patience.spend(time.monotonic() - began)
            raise

    def _give_back(self, connection: Connection, began: float) -> None:
        now = time.monotonic()
        patience.spend(now - began)
        self._free.append((connection, now))
        try:
            if now - self._free[0][1] > SPARE_SECONDS:  # it lay below all others: there are more than are needed
                self._discard(self._free.pop(0)[0])
        except IndexError:  # other threads took them all
            return

    def _discard_all(self, connection: Connection) -> None:
        self._discard(connection)
        self.close()

    def _discard(self, connection: Connection) -> None:
        connection.disconnect()  # type: ignore[no-untyped-call]
        self.client.connection_pool.release(connection)


class _HeldConnection:
    """A connection of a pool; redis-py keeps to one."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def execute_command(self, *command: Any) -> Any:
        began = time.monotonic()
        _check_that_time_is_left()
        try:
            return self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        finally:
            patience.spend(time.monotonic() - began)


def _check_that_time_is_left() -> None:
    """For one command, or to connect: a server that is frozen takes connections, and answers to no login."""
    if patience.left() < COMMAND_SECONDS:
        raise TimeoutError("the request has waited for Redis for as long as it may")


def _read(connection: Connection, began: float) -> Any:
    """The answer to what was asked since `began`, in the time that the request has left."""
    left = patience.left()
    if left >= HURRY_SECONDS:
        return connection.read_response(disable_decoding=True)
    seconds = min(COMMAND_SECONDS, max(SHORTEST_SECONDS, began + left - time.monotonic()))
    return connection.read_response(disable_decoding=True, timeout=seconds)


def _reply_or_refusal(connection: Connection, began: float) -> Any:
    try:
        return _read(connection, began)
    except ResponseError as error:
        return error


def _is_broken(connection: Connection) -> bool:
    """Whether something came that nobody asked for; that is the end, or the rest of an answer given up on."""
    try:
        return bool(connection.can_read())
    except (OSError, RedisError):
        return True
