"""GET /health: can it serve. GET /health/live: does the process answer."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web.context import services
from app.web.exchange import json_response
from app.web.guard import open_to_all

bp = Blueprint("health", __name__)


@bp.get("/health")
@open_to_all
def health() -> Response:
    report = services().health.report()
    return json_response(report, 503 if report.status == "fail" else 200)


@bp.get("/health/live")
@open_to_all
def live() -> Response:
    return json_response({"status": "pass"})
