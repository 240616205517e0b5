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


def test_a_body_that_ends_early_or_is_badly_chunked_is_refused_and_nothing_is_kept(service: Service) -> None:
    token = service.token()
    host, _, port = service.url.removeprefix("http://").partition(":")
    head = f"POST /push HTTP/1.1\r\nHost: pulpo\r\nContent-Type: text/plain\r\nAuthorization: Bearer {token}\r\n"
    refused = b'"code":"length-required"' if SERVER == "granian" else b'"code":"malformed"'
    for rest, code in (
        ("Content-Length: 100\r\n\r\nhalf", b'"code":"malformed"'),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", refused),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as caller:
            caller.sendall((head + rest).encode())
            caller.shutdown(socket.SHUT_WR)
            answer = b""
            while not answer.endswith(b"}\n"):  # head and body may come apart
                part = caller.recv(65536)
                assert part, answer
                answer += part
        assert answer.startswith(b"HTTP/1.1 4")
        assert code in answer
    count = httpx.get(f"{service.url}/count", headers={"Authorization": f"Bearer {token}"})
    assert count.json()["count"] == 0
