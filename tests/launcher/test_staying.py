"""A thread that stays with its connection stays for nobody else's loss."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.service import SERVER, Service, running

pytestmark = pytest.mark.skipif(SERVER == "granian", reason="only gunicorn's threads know their connections")
THREADS = 4
QUICK = b"GET / HTTP/1.1\r\nHost: pulpo\r\n\r\n"
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: pulpo\r\n\r\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(PULPO_WORKERS="1", PULPO_THREADS=str(THREADS)) as service:
        yield service


@pytest.mark.parametrize("kind", ["quick", "slow"])
@pytest.mark.parametrize("others", ["none", "of health"])
def test_threads_leave_busy_connections_for_who_waits(service: Service, kind: str, others: str) -> None:
    is_over, answered = threading.Event(), list[int]()
    asked = QUICK if kind == "quick" else login(service)

    def ask_on_and_on() -> None:
        with connected(service) as connection:
            connection.sendall(asked * 5)  # so that the next is there whenever one is answered
            while not is_over.is_set():
                answers = connection.recv(65_536).count(b"HTTP/1.1 200")
                connection.sendall(asked * answers)
                answered.append(answers)

    busy = [threading.Thread(target=ask_on_and_on) for _ in range(THREADS)]
    for each in busy:
        each.start()
    time.sleep(0.5)
    try:
        waits = [seconds_of_an_answer(service, is_health_asked=others == "of health") for _ in range(5)]
    finally:
        is_over.set()
        for each in busy:
            each.join()
    assert sum(answered) > 10
    assert max(waits) < 0.8


def seconds_of_an_answer(service: Service, *, is_health_asked: bool) -> float:
    with connected(service) as connection, connected(service) as prober:
        began = time.monotonic()
        connection.sendall(QUICK)
        if is_health_asked:  # it is answered by a thread of health's, before the other has one
            time.sleep(0.002)
            prober.sendall(HEALTH)
            assert prober.recv(65_536).startswith(b"HTTP/1.1 200")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        return time.monotonic() - began


def login(service: Service) -> bytes:
    """A request that takes time and leaves others the lock of Python: its password is hashed."""
    body = json.dumps({"username": "admin", "password": (service.data_dir / "admin-password").read_text()})
    return f"POST /login HTTP/1.1\r\nHost: pulpo\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def connected(service: Service) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)
