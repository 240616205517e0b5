"""Long polls and slow clients through nginx: nothing is cut, nothing held up, nothing lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.nginx.conftest import NAME, Proxy
from tests.service import SERVER

pytestmark = pytest.mark.timeout(300)
WAIT_SECONDS = float(os.environ.get("TEST_WAIT_SECONDS", "6"))
HANG_UPS = int(os.environ.get("TEST_HANG_UPS", "40"))
SLOW_CLIENTS = 100

on_gunicorn = pytest.mark.skipif(SERVER == "granian", reason="granian hides the connection, so such a pop is 422 there")


def timed(client: httpx.Client, **options: object) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    answer = client.post("/queues/polled/pop", json=options)
    return answer, time.monotonic() - started


def test_a_poll_that_nothing_comes_for_lasts_its_time(client: httpx.Client) -> None:
    answer, seconds = timed(client, lease=30, wait=WAIT_SECONDS)
    assert (answer.status_code, answer.json()["id"]) == (200, None)
    assert WAIT_SECONDS <= seconds < WAIT_SECONDS + 1


def test_a_poll_is_answered_when_a_message_comes_late(client: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        waiter = pool.submit(timed, client, lease=30, wait=20)
        time.sleep(WAIT_SECONDS - 1)
        client.post("/queues/polled/push", json={"message": "late"})
        answer, seconds = waiter.result()
    assert answer.json()["message"] == "late"
    assert seconds < WAIT_SECONDS


@on_gunicorn
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_client_that_hangs_up_takes_nothing(proxy: Proxy, client: httpx.Client, token: str, version: str) -> None:
    queue = f"hung-up{version[-1]}"
    command = ["curl", "-sS", version, "--cacert", str(proxy.certificate), "-H", f"Authorization: Bearer {token}"]
    for number in range(HANG_UPS):
        caller = subprocess.Popen(
            [*command, "-X", "POST", f"{proxy.url}/queues/{queue}/pop?wait=20"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _until_somebody_waits(client, queue)
        caller.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        caller.wait()
        time.sleep(0.01)  # the kernel's and nginx's time to pass it on
        client.post(f"/queues/{queue}/push", json={"message": number})
        assert client.post(f"/queues/{queue}/pop").json()["message"] == number


def _until_somebody_waits(client: httpx.Client, queue: str) -> None:
    client.put(f"/queues/{queue}", json={})
    deadline = time.monotonic() + 10
    while client.get(f"/queues/{queue}").json()["waiters"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_clients_that_send_slowly_hold_up_nobody(proxy: Proxy, client: httpx.Client, token: str) -> None:
    head = (
        f"POST /push HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf"
    )
    trust = proxy.trust()
    with ExitStack() as stack:
        for _ in range(SLOW_CLIENTS):  # three times as many as Pulpo has threads
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.https_port)))
            stack.enter_context(trust.wrap_socket(plain, server_hostname=NAME)).sendall(head.encode())
        started = time.monotonic()
        assert client.get("/count").json()["count"] == 0
        assert time.monotonic() - started < 1
