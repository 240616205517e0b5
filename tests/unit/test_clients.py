"""Clients that leave while they wait, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from app.web import clients
from app.web.clients import Client

LONG = 5.0
SHORT = 0.2


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as theirs:
        ours, _ = server.accept()
        with ours:
            yield ours, theirs


def test_a_client_that_leaves_is_told_of(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    client, told = Client(ours), threading.Event()
    with client.telling(told.set):
        theirs.sendall(b"GET / HTTP/1.1")  # more to read is no end
        assert not told.wait(SHORT)
        assert not client.has_left()
        theirs.close()
        assert told.wait(LONG)
    assert client.has_left()


def test_a_client_that_has_left_already_is_told_of(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()
    told = threading.Event()
    with Client(ours).telling(told.set):
        assert told.wait(LONG)


def test_once_the_answer_is_there_nobody_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    first, second = threading.Event(), threading.Event()
    with Client(ours).telling(first.set):
        pass
    with Client(ours).telling(second.set):  # the next request on the same connection
        theirs.close()
        assert second.wait(LONG)
    assert not first.is_set()


def test_a_connection_may_end_on_our_side_while_it_is_watched(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = ends
    with Client(ours).telling(lambda: None):
        ours.close()
    assert Client(ours).has_left()


@pytest.mark.parametrize("missing", ["file", "thread"])
def test_where_the_system_has_nothing_to_spare_nobody_is_told_and_the_next_one_is(
    ends: tuple[socket.socket, socket.socket], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files") if missing == "file" else RuntimeError("can't start new thread")

    ours, theirs = ends
    monkeypatch.setattr(clients, "_lookout", clients.Lookout())
    told = threading.Event()
    with monkeypatch.context() as scarce:
        scarce.setattr("select.epoll" if missing == "file" else "threading.Thread.start", fail)
        with Client(ours).telling(told.set):
            pass
    with Client(ours).telling(told.set):
        theirs.close()
        assert told.wait(LONG)
