"""A connection to a client that asks little of the kernel: each call lets go of Python's lock, and others take it.

gunicorn says four times a request how long its socket may wait, mostly what holds already, and sends the head of an
answer by itself, which wakes the client for nothing (decision 0028).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class ClientSocket(socket.socket):
    """Tells the kernel of a new time limit only, and sends the head of an answer together with what follows."""

    _head = b""
    _must_hold = False

    @classmethod
    def of(cls, connection: socket.socket) -> ClientSocket:
        """What takes the place of `connection`."""
        limit = connection.gettimeout()
        taken = cls(connection.family, connection.type, connection.proto, fileno=connection.detach())
        taken.settimeout(limit)
        return taken

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as of every socket
        self.settimeout(None if flag else 0.0)

    def settimeout(self, value: float | None) -> None:
        if value != self.gettimeout():
            super().settimeout(value)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What the block sends first waits for what it sends then; where nothing follows, for the end of the block."""
        self._must_hold = True
        try:
            yield
            self._must_hold = False
            if self._head:
                self.sendall(b"")
        finally:  # what is sent after a block that broke off is no part of it
            self._head, self._must_hold = b"", False

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self._must_hold:
            self._head, self._must_hold = bytes(data), False
        else:
            head, self._head = self._head, b""
            super().sendall(head + data if head else data, flags)
