"""GET /health: can it serve. GET /health/live: does the process answer."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from app.services.health import Report
from app.web.context import services
from app.web.flask_door import json_response
from app.web.guard import open_to_all
from app.web.operations import operation

bp = Blueprint("health", __name__)


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


@bp.get("/health")
@open_to_all
@operation({200: Report, 503: Report})
def health() -> Response:
    """Says whether Pulpo can serve: Redis by a real write, the user table by a real read."""
    report = services().health.report()
    return json_response(report, 503 if report.status == "fail" else 200)


@bp.get("/health/live")
@open_to_all
@operation({200: Live})
def live() -> Response:
    """Says that the process answers; touches nothing else."""
    return json_response(Live("pass"))
