"""GET /console: the page that shows the queues. It is plain files; what it shows it asks of the other routes."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request

from app.errors import NotFound
from app.web.guard import open_to_all
from app.web.operations import operation

bp = Blueprint("console", __name__)

DIRECTORY = Path(__file__).parents[1] / "static" / "console"
PAGE = "index.html"
# Said here and not guessed: a browser runs no script of another type.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Everything comes from here and nothing is inline; no text can become HTML or a script (trusted types).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# The files hold no secret. A browser may keep them, and asks each time whether they are still the same.
HEADERS = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}


@bp.get("/console")
@open_to_all
@operation({200: None, 304: None}, other_media={200: "text/html"}, headers={200: ("ETag",), 304: ("ETag",)})
def console() -> Response:
    """Shows the queues to people; it asks for a login."""
    return _answer(PAGE)


@bp.get("/console/<name>")
@open_to_all
@operation({200: None, 304: None}, raises=(NotFound,), headers={200: ("ETag",), 304: ("ETag",)})
def console_file(name: str) -> Response:
    """Serves a part of that page."""
    if name == PAGE or name not in _files():
        raise NotFound("There is no such part of the page.")
    return _answer(name)


def _answer(name: str) -> Response:
    content, tag = _files()[name]
    response = Response(content, content_type=TYPES[Path(name).suffix], headers=HEADERS)
    response.set_etag(tag)
    response.make_conditional(request)
    return response


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Content and entity tag of each file by its name."""
    found = {path.name: path.read_bytes() for path in DIRECTORY.iterdir() if path.suffix in TYPES}
    return {name: (content, hashlib.sha256(content).hexdigest()[:32]) for name, content in found.items()}
