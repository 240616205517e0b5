"""Lines to Redis: connections that a thread takes for one command and gives back, with nothing done in between."""

from __future__ import annotations

import builtins
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

from hiredis import pack_command
from redis import Connection, Redis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.client import PubSub
from redis.exceptions import ConnectionError, ReadOnlyError, RedisError, ResponseError, TimeoutError

from app import patience
from app.errors import StoreUnavailable
from app.redis_url import Topology

MOST_LINES = 16  # to a server at once; more of them make one process no faster, and a crowd would make hundreds
READ_BYTES = 65_536
IDLE_SECONDS = 1.0
SPARE_SECONDS = 5.0
CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 2.0  # for each part of an answer, as long as the request has that (`app.patience`)
LEAST_SECONDS = 0.5  # with less left nothing is sent: it would most likely be done, and nobody hear of it
TURN_SECONDS = 1.0  # in turn for a connection; with what follows it stays within the time of a request
SHORTEST_SECONDS = 0.001  # 0 would mean without a wait to Python, and without an end to the kernel
SMALL_BYTES = 65_536  # of a command that goes into the kernel's buffers at once

TIMEVAL = struct.Struct("ll")  # seconds and microseconds, as the kernel takes them
TIMED_OUT = (builtins.TimeoutError, BlockingIOError)  # of Python's waiting, and of the kernel's

Command = Sequence[Any]


class OutOfTime(TimeoutError):
    """The request has waited for Redis for as long as it may. That says nothing of the connections of others."""

    def __init__(self) -> None:
        super().__init__("the request has waited for Redis for as long as it may")


class InTime:
    """What makes a connection of redis-py keep to the time that a request has left, while it logs in, too."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        """As redis-py's; with a `timeout` of its own where none is given and little time is left."""
        left = patience.left(time.monotonic())
        if left < COMMAND_SECONDS:
            options.setdefault("timeout", max(SHORTEST_SECONDS, left))
        return super().read_response(*args, **options)  # type: ignore[misc]


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
    all do: those that lie here and in the pool are closed, and the next one looks for the server anew. Where all are in
    use whoever comes waits in turn, for a second. A process that has used them must not fork: parent and child would
    share connections.
    """

    def __init__(self, client: Redis, *, topology: Topology = "standalone") -> None:
        self.client = client
        self.topology = topology
        self._free: list[tuple[_Line, float]] = []  # and when it was used last
        self._open = 0
        self._waiting: deque[SimpleQueue[_Line | None]] = deque()  # None: there is room to connect
        self._lock = threading.Lock()  # of the two above

    def execute_command(self, *command: Any) -> Any:
        """The reply to `command`. Raises what redis-py raises."""
        packed = pack_command(command)
        line = self._take()
        try:
            line.send(packed)
            reply = line.reply()
        except BaseException as error:
            self._discard_after(error, line)
            raise
        if isinstance(reply, ResponseError):
            if isinstance(reply, ReadOnlyError):
                self._discard_all(line)
            else:
                self._give_back(line)
            try:
                raise reply
            finally:  # else it held this call, the call it, and both what the request has, until garbage is looked for
                del reply
        self._give_back(line)
        return reply

    def execute_commands(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to `commands`, sent together; a refusal of one stands in its place."""
        packed = b"".join(pack_command(tuple(command)) for command in commands)
        line = self._take()
        try:
            line.send(packed)
            replies = [line.reply() for _ in commands]
        except BaseException as error:
            self._discard_after(error, line)
            raise
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            self._discard_all(line)
        else:
            self._give_back(line)
        return replies

    @contextmanager
    def hold(self, key: str) -> Iterator[Held]:  # noqa: ARG002 - all keys are on this server
        """A connection for the block alone; if Redis fails in it, the others are closed as well."""
        _demand(COMMAND_SECONDS)
        try:
            with self.client.client() as one:  # type: ignore[no-untyped-call]
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

    def _take(self) -> _Line:
        now = _demand(LEAST_SECONDS)
        try:
            line, used_at = self._free.pop()
        except IndexError:
            return self._next()
        if now - used_at > IDLE_SECONDS and line.is_broken():
            self._discard(line)
            return self._next()
        return line

    def _next(self) -> _Line:
        """A new line, or if there are as many as may be the next one that somebody gives back.

        Raises `TimeoutError`, `OutOfTime`.
        """
        with self._lock:
            is_full = self._open >= MOST_LINES
            if is_full:
                turn: SimpleQueue[_Line | None] = SimpleQueue()
                self._waiting.append(turn)
            else:
                self._open += 1
        line = self._wait_for(turn) if is_full else None
        return line or self._connect()

    def _wait_for(self, turn: SimpleQueue[_Line | None]) -> _Line | None:
        self._hand_over()  # one may have been given back just before anybody waited
        left = patience.left(time.monotonic()) - LEAST_SECONDS
        try:
            return turn.get(timeout=max(0.0, min(TURN_SECONDS, left)))
        except Empty:
            with self._lock:
                if turn not in self._waiting:
                    return turn.get()  # it came at the last moment
                self._waiting.remove(turn)
            if left < TURN_SECONDS:
                raise OutOfTime from None
            raise TimeoutError("Redis kept every connection to it waiting") from None

    def _hand_over(self) -> None:
        with self._lock, suppress(IndexError):  # others take from what is free without the lock
            while self._waiting:
                line, _ = self._free.pop()
                self._waiting.popleft().put(line)

    def _connect(self) -> _Line:
        """A line for whom there is room."""
        try:
            _demand(COMMAND_SECONDS)
            connection = self.client.connection_pool.get_connection()
        except BaseException:
            self._make_room()
            raise
        try:
            line = _Line(connection)
        except BaseException:
            self._end(connection)
            raise
        try:
            _demand(LEAST_SECONDS)
        except OutOfTime:
            self._give_back(line)
            raise
        return line

    def _make_room(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(None)
            else:
                self._open -= 1

    def _give_back(self, line: _Line) -> None:
        now = time.monotonic()
        self._free.append((line, now))
        if self._waiting:
            self._hand_over()
        try:
            if now - self._free[0][1] > SPARE_SECONDS:  # it lay below all others: there are more than are needed
                self._discard(self._free.pop(0)[0])
        except IndexError:  # other threads took them all
            return

    def _discard_after(self, error: BaseException, line: _Line) -> None:
        """Its answer may come yet. The others are no worse for a request whose time is over."""
        if isinstance(error, OutOfTime):
            self._discard(line)
        else:
            self._discard_all(line)

    def _discard_all(self, line: _Line) -> None:
        self._discard(line)
        self.close()

    def _discard(self, line: _Line) -> None:
        self._end(line.connection)

    def _end(self, connection: Connection) -> None:
        try:
            connection.disconnect()  # type: ignore[no-untyped-call]
            self.client.connection_pool.release(connection)
        finally:
            self._make_room()


class _Line:
    """A connection that redis-py made and logged in. Reading is done here, so that each part of an answer keeps to the
    time that the request has left (decision 0018).
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        inside: Any = connection
        self._seconds: float = inside.socket_timeout
        self._socket: socket.socket = inside._sock  # noqa: SLF001 - redis-py shows it nowhere
        self._reader = inside._parser._reader  # noqa: SLF001 - of hiredis; it makes redis-py's errors of refusals
        self._is_tls = isinstance(self._socket, ssl.SSLSocket)
        self._wait_at_most(self._seconds)

    def send(self, packed: bytes) -> None:
        """Sends packed commands. Raises `ConnectionError`, `TimeoutError`."""
        try:
            if len(packed) > SMALL_BYTES or self._is_tls:
                self._socket.settimeout(self._seconds)  # Python's time is for all of it, the kernel's for each part
                self._socket.sendall(packed)
                self._wait_at_most(self._seconds)
            elif self._socket.send(packed) < len(packed):
                raise builtins.TimeoutError
        except TIMED_OUT as error:
            raise TimeoutError("Redis took in no command in time") from error
        except OSError as error:
            raise ConnectionError(f"the connection broke: {error}") from error

    def reply(self) -> Any:
        """The next answer, in the time that the request has left; a refusal is one, too.

        Raises `ConnectionError`, `TimeoutError`, `OutOfTime`.
        """
        try:
            reply = self._reader.gets(False)  # noqa: FBT003 - without decoding; it has no keyword
            while reply is NOT_ENOUGH_DATA:
                part = self._receive()
                if not part:
                    raise ConnectionError("Redis closed the connection")
                self._reader.feed(part)
                reply = self._reader.gets(False)  # noqa: FBT003
        except OSError as error:
            raise ConnectionError(f"the connection broke: {error}") from error
        if isinstance(reply, ConnectionError):  # what redis-py makes of a server that cannot be used now
            try:
                raise reply
            finally:
                del reply
        return reply

    def _receive(self) -> bytes:
        left = patience.left(time.monotonic())
        if left >= COMMAND_SECONDS:
            try:
                return self._socket.recv(READ_BYTES)
            except TIMED_OUT as error:
                raise TimeoutError("Redis did not answer in time") from error
        self._wait_at_most(max(SHORTEST_SECONDS, left))
        try:
            return self._socket.recv(READ_BYTES)
        except TIMED_OUT as error:
            raise OutOfTime from error
        finally:
            self._wait_at_most(self._seconds)

    def _wait_at_most(self, seconds: float) -> None:
        """Has each send and receive end after `seconds`: by the kernel, which Python otherwise asks twice each time."""
        self._socket.settimeout(seconds)
        if self._is_tls:  # Python's goes on asking a kernel that says that the time is over
            return
        whole = int(seconds)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, TIMEVAL.pack(whole, int((seconds - whole) * 1_000_000)))
        self._socket.settimeout(None)

    def is_broken(self) -> bool:
        """Whether something came that nobody asked for; that is the end, or the rest of an answer given up on."""
        try:
            came = bool(self.connection.can_read())
            self._wait_at_most(self._seconds)  # redis-py has set its own
        except (OSError, RedisError):
            return True
        return came


class _HeldConnection:
    """A connection of a pool; redis-py keeps to one."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def execute_command(self, *command: Any) -> Any:
        _demand(COMMAND_SECONDS)
        return self.redis.execute_command(*command)  # type: ignore[no-untyped-call]


def _demand(seconds: float) -> float:
    """The time of `time.monotonic()`, unless the request has fewer seconds left than that: then raises `OutOfTime`."""
    now = time.monotonic()
    if patience.left(now) < seconds:
        raise OutOfTime
    return now
