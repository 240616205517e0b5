"""GET /info: the system that Pulpo runs on, for whoever runs it."""

from __future__ import annotations

from flask import Blueprint, Response

from app.services.system import Info
from app.web.context import services
from app.web.flask_door import json_response
from app.web.guard import requires
from app.web.operations import operation

bp = Blueprint("info", __name__)


@bp.get("/info")
@requires("system")
@operation({200: Info})
def info() -> Response:
    """Tells of the system: host, versions, Redis and how durable it is, limits."""
    return json_response(services().system.describe())
