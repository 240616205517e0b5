"""Whether whoever asked is still there, as far as the server shows their connection."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Lookout:
    """A thread that hears of connections that their clients end, from the first one on. Linux alone tells of that."""

    def __init__(self) -> None:
        self._tells: dict[int, Callable[[], None]] = {}
        self._starting = threading.Lock()
        self._epoll: select.epoll | None = None  # made when it is needed, so not before the process was forked

    def watch(self, connection: int, tell: Callable[[], None]) -> None:
        """Has `tell` called, by another thread, once the client ends `connection`; at once if it has ended already.

        Raises `OSError`, `RuntimeError` where the system has no file, or no thread, to spare.
        """
        epoll = self._started()
        self._tells[connection] = tell
        epoll.register(connection, select.EPOLLRDHUP | select.EPOLLONESHOT)

    def leave(self, connection: int) -> None:
        """Whether or not it is watched."""
        self._tells.pop(connection, None)
        if self._epoll is not None:
            with suppress(OSError, ValueError):  # it was closed, and is watched no more
                self._epoll.unregister(connection)

    def _started(self) -> select.epoll:
        with self._starting:
            if self._epoll is None:
                epoll = select.epoll()
                threading.Thread(target=self._run, args=[epoll], name="pulpo-lookout", daemon=True).start()
                self._epoll = epoll
            return self._epoll

    def _run(self, epoll: select.epoll) -> None:
        while True:
            for connection, _ in epoll.poll():
                tell = self._tells.get(connection)
                if tell is not None:
                    tell()


_lookout = Lookout()


class Client:
    """The other end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def has_left(self) -> bool:
        if self._connection.fileno() < 0:
            return True
        if hasattr(select, "POLLRDHUP"):  # Linux; it sees the end behind bytes that nobody has read
            watch = select.poll()
            watch.register(self._connection, select.POLLRDHUP)
            return bool(watch.poll(0))
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `tell` is called once the client leaves.

        Elsewhere than on Linux it is not, nor where the system has nothing to spare: who waits asks, too, before it
        takes anything, so all that this costs is a place for as long as it would wait.
        """
        connection = self._connection.fileno()
        if hasattr(select, "epoll"):
            with suppress(OSError, RuntimeError, ValueError):
                _lookout.watch(connection, tell)
        try:
            yield
        finally:
            _lookout.leave(connection)


def client_of(connection: socket.socket | None) -> Client | None:
    """Who is at the other end of `connection`; None of a server that hides it."""
    return None if connection is None else Client(connection)
