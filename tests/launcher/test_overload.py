"""The short form of `make overload`: slow clients, bodies without end and waiters, all at once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.chaos.overload import (
    Fault,
    Result,
    announce_gigabytes,
    fill,
    measure,
    read_slowly,
    send_without_end,
    stay_silent,
    trickle_a_body,
    trickle_a_head,
    trickle_a_head_of_health,
    wait,
)
from tests.service import SERVER, Service, running, wait_until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(SERVER == "granian", reason="granian gives a slow body all the time that it wants"),
]
HEADS = b"HEAD /openapi.json HTTP/1.1\r\nHost: pulpo\r\n\r\n" * 100
LOADS = (
    Fault("silent", stay_silent, 100),
    Fault("heads", trickle_a_head, 100),
    Fault("heads of health", trickle_a_head_of_health, 100),
    Fault("bodies", trickle_a_body, 100),
    Fault("endless", send_without_end, 5),
    Fault("announced", announce_gigabytes, 5),
    Fault("waiters", wait, 50),
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(PULPO_WORKERS="1", PULPO_THREADS="4") as service:
        yield service


@pytest.fixture(scope="module")
def results(service: Service) -> dict[str, Result]:
    """What became of each load, while all of them lay on a service of four threads."""

    async def all_at_once() -> list[Result]:
        return await asyncio.gather(*(measure(service, load) for load in LOADS))

    return {load.name: result for load, result in zip(LOADS, asyncio.run(all_at_once()), strict=True)}


def test_who_is_silent_or_slow_is_cut_off_or_refused(results: dict[str, Result]) -> None:
    assert set(results["silent"].outcomes) == {"cut off"}
    assert set(results["heads"].outcomes) == {"cut off", "503 later"}
    assert set(results["heads of health"].outcomes) == {"cut off", "503 later"}
    assert set(results["bodies"].outcomes) <= {"400", "503 later"}
    assert max(result.slowest_seconds for result in results.values()) < 20


def test_a_body_without_end_is_cut_off(results: dict[str, Result]) -> None:
    for name in ("endless", "announced"):
        assert set(results[name].outcomes) <= {"413", "400", "503 later", "cut off"}


def test_everybody_who_waits_is_answered(results: dict[str, Result]) -> None:
    assert set(results["waiters"].outcomes) <= {"200", "200 later", "503 later"}


def test_health_answers_meanwhile_and_pushes_go_on_afterwards(results: dict[str, Result]) -> None:
    for result in results.values():
        for probe in (result.health, result.live):
            assert probe.failed == 0
            assert max(probe.milliseconds) < 2000
        assert result.recovered_seconds < 5
        before, most, _after = result.megabytes
        assert most < before + 100


def test_memory_for_large_answers_is_given_back(service: Service) -> None:
    fill(service)
    before, most, after = asyncio.run(measure(service, Fault("readers", read_slowly, 20))).megabytes
    assert most > before + 30
    assert after < before + (most - before) / 3


def test_clients_that_keep_their_end_open_after_the_answer_hold_up_nobody(service: Service) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    clients = [socket.create_connection((host, int(port)), timeout=10) for _ in range(5)]
    for client in clients:
        client.sendall(b"NONSENSE\r\n\r\n")
    for client in clients:
        assert client.recv(65_536).startswith(b"HTTP/1.1 400")
    began = time.monotonic()
    assert httpx.get(f"{service.url}/health").status_code == 200
    assert time.monotonic() - began < 1
    for client in clients:
        client.close()


def test_clients_that_ask_for_health_and_owe_a_body_hold_no_thread_of_healths(service: Service) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    clients = [socket.create_connection((host, int(port)), timeout=10) for _ in range(8)]
    for client in clients:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: pulpo\r\ncontent-length: 100000\r\n\r\n")
    time.sleep(0.2)
    for _ in range(3):
        began = time.monotonic()
        assert httpx.get(f"{service.url}/health").status_code == 200
        assert time.monotonic() - began < 1
    for client in clients:
        client.close()


def test_clients_that_ask_for_heads_and_read_nothing_hold_no_thread_for_good(service: Service) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    clients = [socket.socket() for _ in range(5)]  # there are four threads
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((host, int(port)))
        client.setblocking(False)
    taken_at = dict.fromkeys(clients, time.monotonic())
    while taken_at:  # until the server takes no more of any, or has ended it
        for client, since in list(taken_at.items()):
            try:
                client.send(HEADS)
                taken_at[client] = time.monotonic()
            except BlockingIOError:
                if time.monotonic() - since > 8:
                    del taken_at[client]
            except OSError:
                del taken_at[client]
        time.sleep(0.02)
    wait_until(lambda: httpx.get(f"{service.url}/count").status_code == 401, 25)
    for client in clients:
        client.close()
