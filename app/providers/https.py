"""Asks providers over HTTP: verified, bounded in time and size, and never led elsewhere by a redirect."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener, getproxies

import msgspec

from app.errors import IdentityUnavailable
from app.urls import is_safe_url

log = logging.getLogger(__name__)

SILENCE_SECONDS = 3.0  # between two bytes of an answer, and for a connection
MOST_SECONDS = 5.0  # for a whole answer
MOST_BYTES = 1_048_576
CHUNK_BYTES = 65_536


class Reply(msgspec.Struct, frozen=True):
    """An answer whose body is a JSON object."""

    status: int
    content: dict[str, Any]


class Https:
    """A client for JSON. Every method raises `IdentityUnavailable` where there is no answer that can be read."""

    def __init__(self, ca_file: str | None = None) -> None:
        """Trusts the certificates in `ca_file`, or (None) those that this machine trusts."""
        context = ssl.create_default_context(cafile=ca_file)
        # What is not encrypted goes to this machine only, so no proxy may see it.
        proxies = {scheme: url for scheme, url in getproxies().items() if scheme == "https"}
        self._opener = build_opener(HTTPSHandler(context=context), ProxyHandler(proxies), _NoRedirects())

    def get(self, url: str) -> dict[str, Any]:
        """What is at `url`; a status other than 200 is no answer."""
        reply = self._ask(Request(url, headers={"Accept": "application/json"}))  # noqa: S310 - `_ask` looks at it
        if reply.status != 200:
            raise unavailable(url, f"it answered {reply.status}")
        return reply.content

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """What `url` answers; a status from 500 on, and 429, is no answer."""
        reply = self._ask(Request(url, data=body, headers=dict(headers), method="POST"))  # noqa: S310 - the same
        if reply.status >= 500 or reply.status == 429:
            raise unavailable(url, f"it answered {reply.status}")
        return reply

    def _ask(self, request: Request) -> Reply:
        url = request.full_url
        if not is_safe_url(url):  # a discovery document may name anything
            raise unavailable(url, "it is not https")
        deadline = time.monotonic() + MOST_SECONDS
        try:
            with self._open(request) as response:
                body = _read(response, deadline)
                return Reply(response.status or 0, msgspec.json.decode(body, type=dict[str, Any]))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            raise unavailable(url, str(error) or type(error).__name__) from error

    def _open(self, request: Request) -> HTTPResponse | HTTPError:
        try:
            response: HTTPResponse = self._opener.open(request, timeout=SILENCE_SECONDS)
        except HTTPError as answer:  # 3xx, 4xx and 5xx, which are answers, too
            return answer
        return response


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Lets a redirect stand as the answer."""


def unavailable(url: str, why: str) -> IdentityUnavailable:
    """The error for the caller; the log has the address and the reason."""
    log.error("the identity provider cannot be used: %s: %s", url, why)
    return IdentityUnavailable("The identity provider cannot be used now; try again later.")


def _read(response: HTTPResponse | HTTPError, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := response.read1(CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise ValueError(f"its answer has more than {MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError(f"its answer took more than {MOST_SECONDS:.0f} s")
    return b"".join(parts)
