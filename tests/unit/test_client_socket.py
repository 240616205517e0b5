"""Sockets that send the head of an answer with its body, and seldom tell the kernel how long to wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deploy.client_socket import ClientSocket


@pytest.fixture
def ends() -> Iterator[tuple[ClientSocket, socket.socket]]:
    """Ours, and the client's, which reads what has come by now."""
    first, theirs = socket.socketpair()
    theirs.settimeout(0)
    with ClientSocket.of(first) as ours, theirs:
        yield ours, theirs


def test_a_head_goes_out_with_what_follows(ends: tuple[ClientSocket, socket.socket]) -> None:
    ours, theirs = ends
    with ours.together():
        ours.sendall(b"head ")
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        ours.sendall(b"body ")
        assert theirs.recv(100) == b"head body "
        ours.sendall(b"more")
    assert theirs.recv(100) == b"more"


def test_a_head_that_nothing_follows_goes_out_once(ends: tuple[ClientSocket, socket.socket]) -> None:
    ours, theirs = ends
    with ours.together():
        ours.sendall(b"head")
    ours.sendall(b" next")
    assert theirs.recv(100) == b"head next"


def test_where_nothing_was_sent_nothing_is_held(ends: tuple[ClientSocket, socket.socket]) -> None:
    ours, theirs = ends
    with ours.together():
        pass
    ours.sendall(b"next")
    assert theirs.recv(100) == b"next"


def test_the_head_of_an_answer_that_breaks_off_is_no_part_of_the_error(
    ends: tuple[ClientSocket, socket.socket],
) -> None:
    ours, theirs = ends
    with suppress(ZeroDivisionError), ours.together():
        ours.sendall(b"head")
        raise ZeroDivisionError
    ours.sendall(b"error")
    with suppress(ZeroDivisionError), ours.together():
        raise ZeroDivisionError
    ours.sendall(b" again")
    assert theirs.recv(100) == b"error again"


def test_it_waits_as_long_as_it_was_told_last(ends: tuple[ClientSocket, socket.socket]) -> None:
    ours, theirs = ends
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    for _ in range(2):
        ours.settimeout(0.01)
    with pytest.raises(TimeoutError):
        ours.recv(1)
    ours.setblocking(True)
    assert ours.gettimeout() is None
    theirs.send(b"a")
    assert ours.recv(1) == b"a"


def test_it_is_as_the_one_whose_place_it_takes() -> None:
    first, theirs = socket.socketpair()
    first.setblocking(False)
    with ClientSocket.of(first) as ours, theirs:
        assert ours.gettimeout() == 0
    assert first.fileno() == -1
