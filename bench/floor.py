"""The least that a service in Python can do: a command to Redis a request, over a connection that each thread keeps."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from hiredis import pack_command

_pack: Callable[[tuple[Any, ...]], bytes] = pack_command
POP = _pack(("LPOP", "floor"))
_PATH = urlsplit(os.environ["BARE_REDIS_URL"]).path
_threads = threading.local()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """No check of anything: not of the method, nor of what Redis says."""
    redis = getattr(_threads, "redis", None)
    if redis is None:
        redis = _threads.redis = socket.socket(socket.AF_UNIX)
        redis.connect(_PATH)
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    redis.sendall(_pack(("RPUSH", "floor", body)) if environ["PATH_INFO"] == "/push" else POP)
    redis.recv(65_536)
    answer = b"{}"
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
