"""GET /openapi.json, /docs, /problems/{code}: what the routes are, a page to try them, and what an error means."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

import flask_swagger_ui  # type: ignore[import-untyped]
import msgspec
from flask import Blueprint, Response, current_app

from app.errors import NotFound
from app.web.exchange import JSON
from app.web.flask_door import json_response
from app.web.guard import open_to_all
from app.web.openapi import encoded_document
from app.web.operations import operation
from app.web.problems import Explanation, explanation

bp = Blueprint("docs", __name__)

OWN, VIEWER = Path(__file__).parents[1] / "static" / "docs", Path(flask_swagger_ui.__file__).parent / "dist"
FILES = {
    "start.js": OWN / "start.js",
    **{name: VIEWER / name for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")},
}
# The viewer writes styles of its own into the page; scripts come from here only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Document(msgspec.Struct, frozen=True):
    """An OpenAPI 3.1 document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


@bp.get("/openapi.json")
@open_to_all
@operation({200: Document})
def openapi() -> Response:
    """Describes every route, as OpenAPI 3.1."""
    return Response(encoded_document(current_app), content_type=JSON)


@bp.get("/docs")
@open_to_all
@operation({200: None}, other_media={200: "text/html"})
def docs() -> Response:
    """Shows a page on which every route can be tried."""
    return _file(OWN / "index.html")


@bp.get("/docs/<name>")
@open_to_all
@operation({200: None}, raises=(NotFound,))
def docs_file(name: str) -> Response:
    """Serves a part of that page."""
    if name not in FILES:
        raise NotFound("There is no such part of the page.")
    return _file(FILES[name])


@bp.get("/problems/<code>")
@open_to_all
@operation({200: Explanation}, raises=(NotFound,))
def problem(code: str) -> Response:
    """Explains an error by its code."""
    return json_response(explanation(code))


def _file(path: Path) -> Response:
    kind, _ = mimetypes.guess_type(path.name)
    return Response(path.read_bytes(), mimetype=kind, headers={"Content-Security-Policy": POLICY})
