"""GET /: the service card, and a browser's way to the console."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, request

from app.version import COMMIT, VERSION
from app.web.flask_door import json_response
from app.web.guard import open_to_all
from app.web.operations import operation

bp = Blueprint("root", __name__)

CONSOLE = "console"  # relative, as the links of the pages are: Pulpo may stand behind a path of a proxy
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
    "console": "/console",
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
@operation({200: Card, 303: None}, headers={200: ("Vary",), 303: ("Location", "Vary")})
def card() -> Response:
    """Names the service and says where to go; sends a browser on to the console."""
    if _is_asked_for_a_page():
        return Response(status=303, headers={"Location": CONSOLE, "Vary": "Accept"})
    return json_response(Card("pulpo", VERSION, COMMIT, "ok", LINKS), headers={"Vary": "Accept"})


def _is_asked_for_a_page() -> bool:
    """Whether HTML is preferred to JSON. curl and Postman take anything, and so get the card."""
    accepts = request.accept_mimetypes
    return accepts["text/html"] > accepts["application/json"]
