"""Long poll through the real server: woken at once, across processes, and nothing lost to a caller that hung up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import SERVER, Service

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, PULPO_THREADS="8")
    service.start()
    yield service
    service.kill()


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
        yield client


def timed(client: httpx.Client, **options: Any) -> tuple[Any, float]:
    started = time.monotonic()
    answer = client.post("/pop", json=options)
    return answer, time.monotonic() - started


def test_a_waiter_is_woken_by_a_push(client: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        for _ in range(5):
            waiter = pool.submit(timed, client, lease=30, wait=10)
            time.sleep(0.3)
            client.post("/push", json={"message": 1})
            answer, seconds = waiter.result()
            assert answer.json()["message"] == 1
            assert 0.3 <= seconds < 0.6


def test_a_waiter_is_woken_by_a_message_that_falls_due(client: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        waiter = pool.submit(timed, client, lease=30, wait=10)
        time.sleep(0.2)
        client.post("/push", json={"message": 1, "delay": 0.5})
        answer, seconds = waiter.result()
    assert answer.json()["message"] == 1
    assert 0.7 <= seconds < 1.0


def test_a_waiter_is_woken_by_a_nack(client: httpx.Client) -> None:
    client.post("/push", json={"message": 1})
    receipt = client.post("/pop", json={"lease": 30}).json()["receipt"]
    with ThreadPoolExecutor() as pool:
        waiter = pool.submit(timed, client, lease=30, wait=10)
        time.sleep(0.3)
        client.post("/nack", json={"receipt": receipt, "delay": 0})
        answer, seconds = waiter.result()
    assert answer.json()["attempt"] == 2
    assert seconds < 0.6


def test_nothing_comes_and_the_wait_ends_in_time(client: httpx.Client) -> None:
    answer, seconds = timed(client, lease=30, wait=1.5)
    assert answer.json()["id"] is None
    assert 1.5 <= seconds < 2.0


def test_as_many_waiters_wake_as_messages_came(client: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        waiters = [pool.submit(timed, client, lease=30, wait=10) for _ in range(6)]
        time.sleep(0.5)
        client.post("/push", json={"messages": [{"message": number} for number in range(6)]})
        answers = [waiter.result() for waiter in waiters]
    assert sorted(answer.json()["message"] for answer, _ in answers) == [0, 1, 2, 3, 4, 5]
    assert max(seconds for _, seconds in answers) < 1.0


def test_beyond_the_room_a_pop_does_not_wait_and_says_when_to_come_back(tmp_path: Path) -> None:
    service = Service(tmp_path / "small", PULPO_THREADS="4", PULPO_WORKERS="1")
    service.directory.mkdir()
    try:
        service.start()
        headers = {"Authorization": f"Bearer {service.token()}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client, ThreadPoolExecutor() as pool:
            waiters = [pool.submit(timed, client, lease=30, wait=3) for _ in range(2)]
            time.sleep(0.5)
            answer, seconds = timed(client, lease=30, wait=3)
            assert (answer.json()["id"], answer.headers["Retry-After"]) == (None, "1")
            assert seconds < 0.5
            assert all("Retry-After" not in waiter.result()[0].headers for waiter in waiters)
    finally:
        service.kill()


@pytest.mark.skipif(SERVER == "granian", reason="granian hides the connection, so such a pop is 422 there")
def test_a_caller_that_hung_up_takes_nothing(service: Service, client: httpx.Client) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    request = request_to_wait(service.token())
    for number in range(20):
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(request)
            time.sleep(0.05)
        client.post("/push", json={"message": number})
        assert client.post("/pop").json()["message"] == number


@pytest.mark.skipif(SERVER == "granian", reason="granian hides the connection: who left keeps the place")
def test_a_caller_that_hung_up_makes_room_at_once(tmp_path: Path) -> None:
    service = Service(tmp_path, PULPO_WORKERS="1", PULPO_THREADS="4")
    service.start()
    try:
        request = request_to_wait(service.token())
        host, _, port = service.url.removeprefix("http://").partition(":")
        callers = [socket.create_connection((host, int(port))) for _ in range(2)]
        for caller in callers:  # as many as may wait
            caller.sendall(request)
        time.sleep(0.5)
        headers = {"Authorization": f"Bearer {service.token()}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
            assert "Retry-After" in timed(client, lease=30, wait=1)[0].headers
            callers[1].close()  # the one that does not look out for the other
            time.sleep(0.2)
            assert "Retry-After" not in timed(client, lease=30, wait=1)[0].headers
        callers[0].close()
    finally:
        service.kill()


def request_to_wait(token: str) -> bytes:
    head = f"POST /pop?wait=10 HTTP/1.1\r\nHost: pulpo\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\n\r\n"
    return head.encode()


def test_those_who_wait_are_answered_when_the_server_stops(service: Service, client: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        waiter = pool.submit(timed, client, lease=30, wait=20)
        time.sleep(0.5)
        stopped = threading.Thread(target=service.stop)
        stopped.start()
        answer, seconds = waiter.result()
        stopped.join()
    assert (answer.status_code, answer.json()["id"]) == (200, None)
    assert seconds < 3
