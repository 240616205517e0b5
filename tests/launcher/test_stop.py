"""Stops: under load, whoever got through to the server is answered, whoever waits, too; and right after the start."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.container.traffic import GRANIAN_LEAVES, until_it_stops
from tests.service import SERVER, Service

LOAD_SECONDS = 1.0


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


def test_a_stop_right_after_the_first_answer_is_quick(service: Service) -> None:
    for _ in range(3):  # the other worker may not be there yet
        stopped_at = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - stopped_at < 10
        service.start()
