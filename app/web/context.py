"""What Flask has at hand for a request: the services, its visit, its caller."""

from __future__ import annotations

from typing import cast

import msgspec
from flask import Flask, Response, current_app, g, request

from app.people import Actor, Principal
from app.services.accounts import Accounts
from app.services.catalog import QueueCatalog
from app.services.dead_letters import DeadLetters
from app.services.health import Health
from app.services.identities import Identities
from app.services.identity.logins import Logins
from app.services.keys import Keys
from app.services.ports import AuditLog
from app.services.queues import MessageQueue
from app.services.system import Limits, System
from app.services.tokens import Tokens
from app.web.addresses import TrustedProxies
from app.web.visits import SECURITY_HEADERS, Visit, begin, conclude

EXTENSION = "pulpo"


class Services(msgspec.Struct, frozen=True):
    """Everything a blueprint may call."""

    queues: MessageQueue
    catalog: QueueCatalog
    dead_letters: DeadLetters
    accounts: Accounts
    logins: Logins
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


def visit() -> Visit:
    """This request, as far as it has come."""
    return cast(Visit, g.visit)


def caller() -> Principal:
    """Who is calling; the guard has made sure of it."""
    return cast(Principal, visit().caller)


def actor(name: str | None = None) -> Actor:
    """Who is calling, from where and by which request, for the audit log; `name` where nobody is known yet."""
    if name is None:
        principal = caller()
        name = principal.username if principal.key_id is None else f"{principal.username}/{principal.key_id}"
    forwarded_for = ",".join(request.headers.getlist("X-Forwarded-For"))
    address = services().proxies.client_address(request.remote_addr or "", forwarded_for)
    return Actor(name, address, visit().request_id)


def keep_context(app: Flask) -> None:
    """Begins and concludes the visit of each request to `app`, and gives each answer the headers that all carry."""
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    g.visit = begin(request.headers.get("X-Request-Id"), request.headers.get("traceparent"))


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = visit().request_id
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    conclude(
        visit(),
        method=request.method,
        path=request.path,
        route=request.url_rule.rule if request.url_rule else None,
        queue=(request.view_args or {}).get("queue"),
        status=response.status_code,
    )
    return response
