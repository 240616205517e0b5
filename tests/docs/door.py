"""A door before a service, where things go wrong as they do in a network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal

import httpx

# silence: it was done, but no answer comes; busy: a 503; theft: somebody else has leased the message meanwhile.
Trouble = Literal["silence", "busy", "theft"]


class Door(ThreadingHTTPServer):
    """Passes POST requests on to the service that `admin` calls; first come the troubles of their path's last word."""

    daemon_threads = True

    def __init__(self, port: int, admin: httpx.Client, troubles: dict[str, list[Trouble]]) -> None:
        super().__init__(("127.0.0.1", port), Visit)
        self.admin = admin
        self.troubles = troubles

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that hangs up, or a service that was stopped, is none."""
        if not isinstance(sys.exception(), ConnectionError | httpx.TransportError):
            super().handle_error(request, client_address)

    def steal(self, receipt: str) -> None:
        queue = receipt.partition(".")[2]
        self.admin.post("/nack", json={"receipt": receipt, "delay": 0}).raise_for_status()
        assert self.admin.post(f"/queues/{queue}/pop", json={"lease": 60}).json()["id"]


class Visit(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        due = self.server.troubles.get(self.path.partition("?")[0].rpartition("/")[2])
        trouble = due.pop(0) if due else None
        if trouble == "busy":
            self._answer(503, {"Retry-After": "1"}, b'{"detail": "Redis does not answer."}')
            return
        if trouble == "theft":
            self.server.steal(json.loads(body)["receipt"])
        names = ("Authorization", "Content-Type", "Accept", "Idempotency-Key")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        answer = httpx.post(f"{self.server.admin.base_url}{self.path}", content=body, headers=headers, timeout=40)
        if trouble != "silence":
            kept = {name: value for name, value in answer.headers.items() if name.startswith(("content-t", "pulpo-"))}
            self._answer(answer.status_code, kept, answer.content)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing."""

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def opened(door: Door) -> Iterator[Door]:
    """Lets visitors in as long as the block runs."""
    with door:
        Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield door
        door.shutdown()
