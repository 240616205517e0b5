"""Stops: under load, whoever got through to the server is answered, whoever waits, too; and right after the start."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.container.traffic import GRANIAN_LEAVES, until_it_stops
from tests.service import SERVER, Service

LOAD_SECONDS = 1.0
KEEPER_AND_REDIS = {"embedded.py", "redis-server", "valkey-server"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    service.start()
    yield service
    service.kill()


def test_no_request_fails_and_the_server_ends_with_0(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.token()}"}
    with ThreadPoolExecutor() as pool:
        most = GRANIAN_LEAVES if SERVER == "granian" else 0
        load = pool.submit(until_it_stops, service.url, headers, most_unanswered=most)
        threading.Event().wait(LOAD_SECONDS)
        assert service.stop() == 0
        assert load.result() == 0


def test_every_answer_has_its_line_in_the_log_when_it_stops(service: Service) -> None:
    for _ in range(20):
        assert httpx.get(f"{service.url}/health/live").status_code == 200
    assert service.stop() == 0
    assert service.log.read_text().count('"path":"/health/live"') == 20


def test_a_stop_right_after_the_first_answer_is_quick(service: Service) -> None:
    for _ in range(3):  # the other worker may not be there yet
        stopped_at = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - stopped_at < 10
        service.start()


def test_a_stop_while_a_worker_comes_up_is_quick(service: Service) -> None:
    """The newcomer stands still as it was forked, so that it is told to stop before it can do anything else."""
    for _ in range(3):
        known = set(children_of(service))
        [victim, *_] = [pid for pid in known if KEEPER_AND_REDIS.isdisjoint(words_of(pid))]
        os.kill(victim, signal.SIGKILL)
        [newcomer] = until_there(service, known)
        os.kill(newcomer, signal.SIGSTOP)
        assert service.process is not None
        service.process.terminate()
        time.sleep(0.2)
        os.kill(newcomer, signal.SIGCONT)
        assert service.process.wait(10) == 0
        service.start()


def words_of(pid: int) -> set[str]:
    return {Path(word).name for word in psutil.Process(pid).cmdline()}


def children_of(service: Service) -> list[int]:
    assert service.process is not None
    pid = service.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until_there(service: Service, known: set[int]) -> set[int]:
    """The children that were not known, at once when there are any."""
    while not (new := set(children_of(service)) - known):
        pass
    return new
