"""What requests leave to a thread that does it for many of them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.web import afterwards
from app.web.afterwards import Backlog
from tests.service import wait_until


def test_what_is_left_is_done_soon_and_by_another_thread() -> None:
    backlog = Backlog()
    done: list[tuple[list[Any], bool]] = []

    def work(items: list[Any]) -> None:
        done.append((items, threading.current_thread() is threading.main_thread()))

    for number in range(3):
        backlog.leave(work, number)
    wait_until(lambda: bool(done))
    assert done == [([0, 1, 2], False)]
    backlog.leave(work, 3)
    wait_until(lambda: len(done) == 2)


def test_nothing_is_lost_where_many_threads_leave_at_once() -> None:
    backlog = Backlog()
    done: list[int] = []

    def leave_many() -> None:
        for number in range(5_000):
            backlog.leave(done.extend, number)

    threads = [threading.Thread(target=leave_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(done) == 40_000)


def test_work_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    backlog = Backlog()
    done: list[int] = []
    backlog.leave(lambda items: items.remove("what is not there"), 1)
    backlog.leave(done.extend, 2)
    backlog.work_off()
    assert done == [2]
    assert "was not done" in caplog.text


def test_a_log_that_nobody_reads_stops_the_requests_and_not_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afterwards, "MOST_LEFT", 10)
    backlog, is_read = Backlog(), threading.Event()

    def write(_: list[Any]) -> None:
        is_read.wait()

    def ask() -> None:
        for number in range(100):
            backlog.leave(write, number)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(1)
    assert asking.is_alive()
    assert len(backlog._items) <= 12
    is_read.set()
    asking.join(10)
    assert not asking.is_alive()
