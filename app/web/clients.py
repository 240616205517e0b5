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
        """Has `tell` called, by another thread, once the client ends `connection`; at once if it has ended already."""
        self._tells[connection] = tell
        self._started().register(connection, select.EPOLLRDHUP | select.EPOLLONESHOT)

    def leave(self, connection: int) -> None:
        del self._tells[connection]
        with suppress(OSError):  # it was closed, and is watched no more
            self._started().unregister(connection)

    def _started(self) -> select.epoll:
        with self._starting:
            if self._epoll is None:
                self._epoll = select.epoll()
                threading.Thread(target=self._run, args=[self._epoll], name="pulpo-lookout", daemon=True).start()
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
        """While the block runs, `tell` is called once the client leaves; elsewhere than on Linux, never."""
        if not hasattr(select, "epoll"):
            yield
            return
        connection = self._connection.fileno()
        _lookout.watch(connection, tell)
        try:
            yield
        finally:
            _lookout.leave(connection)


def client_of(connection: socket.socket | None) -> Client | None:
    """Who is at the other end of `connection`; None of a server that hides it."""
    return None if connection is None else Client(connection)
