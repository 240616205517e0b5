"""GET /info: the system that Pulpo runs on, for whoever runs it."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web.context import services
from app.web.exchange import json_response
from app.web.guard import requires

bp = Blueprint("info", __name__)


@bp.get("/info")
@requires("system")
def info() -> Response:
    return json_response(services().system.describe())
