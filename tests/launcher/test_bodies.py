"""Bodies as they come over the wire: what ends early or is no body is refused, and nothing of it is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import SERVER, Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    service.start()
    yield service
    service.kill()


def test_a_body_that_ends_early_or_is_badly_chunked_is_malformed_and_nothing_is_kept(service: Service) -> None:
    token = service.token()
    host, _, port = service.url.removeprefix("http://").partition(":")
    head = f"POST /push HTTP/1.1\r\nHost: pulpo\r\nContent-Type: text/plain\r\nAuthorization: Bearer {token}\r\n"
    for rest in ("Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as caller:
            caller.sendall((head + rest).encode())
            caller.shutdown(socket.SHUT_WR)
            answer = b""
            while not answer.endswith(b"}\n"):  # head and body may come apart
                part = caller.recv(65536)
                answer += part
                if not part:
                    break
        if SERVER == "gunicorn":
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b'"code":"malformed"' in answer
        else:  # granian takes the end of what is sent for the end of the connection, and half a chunked body for one
            assert not answer or answer.startswith(b"HTTP/1.1 411 ")
    count = httpx.get(f"{service.url}/count", headers={"Authorization": f"Bearer {token}"})
    assert count.json()["count"] == 0
