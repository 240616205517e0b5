"""Bodies as they come over the wire: what ends early or is no body is refused, and nothing of it is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from io import BufferedReader
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


def test_requests_and_answers_of_one_connection_stay_apart(service: Service) -> None:
    """Whole bodies, none, a chunked one, one that nobody reads and one that is refused, and answers without a body."""
    token = service.token()
    host, _, port = service.url.removeprefix("http://").partition(":")
    common = f"Host: pulpo\r\nAuthorization: Bearer {token}\r\n"
    text = "Content-Type: text/plain\r\n"
    count = f"GET /count HTTP/1.1\r\n{common}\r\n"
    hidden = count.replace("count", "info", 1)  # must never be taken for a request
    asked = [
        (f"POST /push HTTP/1.1\r\n{common}{text}Content-Length: 3\r\n\r\none", b"201"),
        (f"HEAD /count HTTP/1.1\r\n{common}\r\n", b"200"),
        (f"POST /nowhere HTTP/1.1\r\n{common}{text}Content-Length: {len(hidden)}\r\n\r\n{hidden}", b"404"),
        (f"POST /pop HTTP/1.1\r\n{common}Content-Length: {len(hidden)}\r\n\r\n{hidden}", b"400"),
        (f"POST /pop HTTP/1.1\r\n{common}Accept: application/octet-stream\r\n\r\n", b"200"),
        (f"POST /pop HTTP/1.1\r\n{common}Accept: application/octet-stream\r\n\r\n", b"204"),
    ]
    if SERVER != "granian":  # which takes no chunks
        chunked = f"POST /push HTTP/1.1\r\n{common}{text}Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
        asked.insert(1, (chunked, b"201"))
        asked.insert(-1, asked[-2])
    for whole in (False, True):  # one after the other, or all at once
        with socket.create_connection((host, int(port)), timeout=10) as caller, caller.makefile("rb") as answers:
            if whole:
                caller.sendall("".join(request for request, _ in asked).encode())
            for request, status in asked:
                if not whole:
                    caller.sendall(request.encode())
                assert status_of(answers, has_body=not request.startswith("HEAD")) == status, request


def status_of(answers: BufferedReader, *, has_body: bool) -> bytes:
    """Reads one answer to its end."""
    status, length = answers.readline().split(b" ")[1], 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if has_body:
        assert len(answers.read(length)) == length
    return status
