"""Reads the body of a request, whole or not at all."""

from __future__ import annotations

from flask import request

from app.errors import RequestTooLarge
from app.web.context import services


def read_body(*, most: int | None = None) -> bytes:
    """The body of this request. Raises `RequestTooLarge` beyond `most` bytes (None: those of the settings)."""
    limit = services().limits.max_request_bytes if most is None else most
    declared = request.content_length
    if declared is not None and declared > limit:
        raise RequestTooLarge(f"A request may have {limit} bytes here; this one has {declared}.")
    # A body of no declared length ends at this limit without a word, so one byte more tells that it goes on.
    request.max_content_length = limit + 1
    body = request.get_data()
    if len(body) > limit:
        raise RequestTooLarge(f"A request may have {limit} bytes here; this one has more.")
    return body
