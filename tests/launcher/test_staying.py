"""A thread that stays with its connection stays for nobody else's loss."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.service import SERVER, Service, running

pytestmark = pytest.mark.skipif(SERVER == "granian", reason="only gunicorn's threads know their connections")
THREADS = 4
REQUEST = b"GET / HTTP/1.1\r\nHost: pulpo\r\n\r\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(PULPO_WORKERS="1", PULPO_THREADS=str(THREADS)) as service:
        yield service


def test_threads_leave_busy_connections_for_who_waits(service: Service) -> None:
    is_over = threading.Event()
    host, _, port = service.url.removeprefix("http://").partition(":")

    def ask_on_and_on() -> None:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(REQUEST * 5)  # so that the next is there whenever one is answered
            while not is_over.is_set():
                came = connection.recv(65_536)
                connection.sendall(REQUEST * came.count(b"HTTP/1.1 200"))

    busy = [threading.Thread(target=ask_on_and_on) for _ in range(THREADS)]
    for each in busy:
        each.start()
    time.sleep(0.5)
    try:
        waits = []
        for _ in range(10):
            began = time.monotonic()
            assert httpx.get(service.url).status_code == 200
            waits.append(time.monotonic() - began)
    finally:
        is_over.set()
        for each in busy:
            each.join()
    assert max(waits) < 0.5
