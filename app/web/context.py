"""What a request has at hand: the services, its id, its caller; and the headers that every answer carries."""

from __future__ import annotations

import re
import time
import uuid
from typing import cast

import msgspec
from flask import Flask, Response, current_app, g, request

from app.people import Actor, Principal
from app.services.accounts import Accounts
from app.services.catalog import QueueCatalog
from app.services.dead_letters import DeadLetters
from app.services.health import Health
from app.services.identities import Identities
from app.services.keys import Keys
from app.services.ports import AuditLog
from app.services.queues import MessageQueue
from app.services.system import Limits, System
from app.services.tokens import Tokens
from app.web.addresses import TrustedProxies

EXTENSION = "pulpo"
# A browser shall neither guess the type of an answer, run it, nor keep it; a page of ours says itself what it may.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context: version, trace, span, flags. What is not of this form is to be ignored.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Services(msgspec.Struct, frozen=True):
    """Everything a blueprint may call."""

    queues: MessageQueue
    catalog: QueueCatalog
    dead_letters: DeadLetters
    accounts: Accounts
    keys: Keys
    audit: AuditLog
    tokens: Tokens
    identities: Identities
    health: Health
    system: System
    limits: Limits
    proxies: TrustedProxies
    metrics_public: bool


def services() -> Services:
    """The services of the app that answers this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def caller() -> Principal:
    """Who is calling; the guard has made sure of it."""
    return cast(Principal, g.caller)


def actor(name: str | None = None) -> Actor:
    """Who is calling, from where and by which request, for the audit log; `name` where nobody is known yet."""
    if name is None:
        principal = caller()
        name = principal.username if principal.key_id is None else f"{principal.username}/{principal.key_id}"
    forwarded_for = ",".join(request.headers.getlist("X-Forwarded-For"))
    address = services().proxies.client_address(request.remote_addr or "", forwarded_for)
    return Actor(name, address, g.request_id)


def keep_context(app: Flask) -> None:
    """Gives each request its id, trace and start time, and each answer the headers that all carry."""
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    g.started = time.perf_counter()
    asked = request.headers.get("X-Request-Id", "")
    g.request_id = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
    trace = request.headers.get("traceparent", "")
    g.traceparent = trace if TRACEPARENT.fullmatch(trace) else None


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
