"""Reads the body of a request, whole or not at all."""

from __future__ import annotations

from flask import request
from gunicorn.http.errors import ParseException

from app.errors import LengthRequired, Malformed, RequestTooLarge
from app.web.context import services

SMALL_BODY_BYTES = 16_384  # of a login, a user, a key


def read_body(*, most: int | None = None) -> bytes:
    """The body of this request, of `most` bytes (None: the settings') at most.

    Raises `Malformed`, `RequestTooLarge`, `LengthRequired`.
    """
    limit = services().limits.max_request_bytes if most is None else most
    declared = request.content_length
    if declared is None and "Transfer-Encoding" in request.headers and _server_hides_ends():
        raise LengthRequired("Send a Content-Length: this server cannot tell whether a chunked body is whole.")
    if declared is not None and declared > limit:
        raise RequestTooLarge(f"A request may have {limit} bytes here; this one has {declared}.")
    # A body of no declared length ends at this limit without a word, so one byte more tells that it goes on.
    request.max_content_length = limit + 1
    try:
        body = request.get_data()
    except ParseException as error:
        raise Malformed(f"The body cannot be read: {error}.") from error
    if len(body) > limit:
        raise RequestTooLarge(f"A request may have {limit} bytes here; this one has more.")
    if declared is not None:
        check_whole(body, declared)
    return body


def check_whole(body: bytes, declared: int) -> None:
    """Raises `Malformed` if the connection ended before the `declared` bytes had come."""
    # Under gunicorn, the end of the connection reads like the end of the body.
    if len(body) < declared:
        raise Malformed(f"The body ended after {len(body)} of {declared} bytes.")


def _server_hides_ends() -> bool:
    """Whether the server of this request gives half a chunked body for a whole one (granian 2)."""
    return str(request.environ.get("SERVER_SOFTWARE", "")).startswith("Granian")
