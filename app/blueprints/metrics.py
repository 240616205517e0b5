"""GET /metrics: what Prometheus reads."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.web.context import services
from app.web.guard import measures
from app.web.metrics import exposition
from app.web.operations import operation

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@measures
@operation({200: None}, other_media={200: "text/plain"})
def metrics() -> Response:
    """Shows metrics in Prometheus's text format: requests, queues, Redis."""
    return Response(exposition(services()), content_type=CONTENT_TYPE_LATEST)
