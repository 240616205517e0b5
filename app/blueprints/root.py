"""GET /: the service card."""

from __future__ import annotations

from flask import Blueprint, Response

from app.version import VERSION
from app.web.exchange import json_response
from app.web.guard import open_to_all

bp = Blueprint("root", __name__)

LINKS = {
    "health": "/health",
    "login": "/login",
    "push": "/push",
    "pop": "/pop",
    "ack": "/ack",
    "nack": "/nack",
    "extend": "/extend",
    "count": "/count",
    "info": "/info",
}


@bp.get("/")
@open_to_all
def card() -> Response:
    return json_response({"name": "pulpo", "version": VERSION, "status": "ok", "links": LINKS})
