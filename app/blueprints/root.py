"""GET /: the service card."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from app.version import COMMIT, VERSION
from app.web.flask_door import json_response
from app.web.guard import open_to_all
from app.web.operations import operation

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
    "queues": "/queues",
    "docs": "/docs",
    "openapi": "/openapi.json",
}


class Card(msgspec.Struct, frozen=True):
    """What this is, and where to go; `commit`: what it was built of, if that is known."""

    name: str
    version: str
    commit: str | None
    status: str
    links: dict[str, str]


@bp.get("/")
@open_to_all
@operation({200: Card})
def card() -> Response:
    """Names the service and says where to go."""
    return json_response(Card("pulpo", VERSION, COMMIT, "ok", LINKS))
