"""The one place that decides who may call a route: each view declares what it needs, and none may forget to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Flask, current_app, request

from app.errors import Forbidden, Unauthenticated
from app.models import DEFAULT_QUEUE
from app.people import QUEUE_ACTIONS, Principal
from app.web.context import Services, services, visit
from app.web.visits import Visit

NEEDS = "pulpo_needs"
OPEN = "open"
SIGNED_IN = "any token"
LOGGED_IN = "the token of a login"
AT_HOME = "the token of a login of the user table"
SYSTEM_UNLESS_PUBLIC = "system, or open to all by PULPO_METRICS_PUBLIC"

_AFRESH = {LOGGED_IN, AT_HOME, "admin"}
_BY_LOGIN = {LOGGED_IN, AT_HOME}
_BY_TOKEN = {SIGNED_IN, LOGGED_IN, AT_HOME}

View = TypeVar("View", bound=Callable[..., object])


def open_to_all(view: View) -> View:
    """Marks a view that answers without a token."""
    return _declare(view, OPEN)


def signed_in(view: View) -> View:
    """Marks a view that any valid token may call."""
    return _declare(view, SIGNED_IN)


def logged_in(view: View) -> View:
    """Marks a view that any token of a login may call, and no API key."""
    return _declare(view, LOGGED_IN)


def at_home(view: View) -> View:
    """Marks a view that any token of a login may call whose user is of the user table, and no API key."""
    return _declare(view, AT_HOME)


def measures(view: View) -> View:
    """Marks the view that shows metrics: it needs `system`, unless the settings open it."""
    return _declare(view, SYSTEM_UNLESS_PUBLIC)


def requires(action: str) -> Callable[[View], View]:
    """Marks a view that needs `action`, on the queue of its path where it is a queue's action."""

    def declare(view: View) -> View:
        return _declare(view, action)

    return declare


def guard(app: Flask) -> None:
    """Checks every request to `app` before its view runs. Raises if a view declares nothing."""
    undeclared = [name for name, view in app.view_functions.items() if not hasattr(view, NEEDS)]
    if undeclared:
        raise RuntimeError(f"these views do not say who may call them: {', '.join(undeclared)}")
    app.before_request(_check)


def bearer_token(authorization: str | None) -> str:
    """The token that a header presents. Raises `Unauthenticated` if it presents none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send the header Authorization: Bearer with the token that POST /login answers.")
    return token.strip()


def admit(services: Services, visit: Visit, authorization: str | None, needs: str, queue: str) -> Principal:
    """Finds out who calls, tells `visit`, and checks that they may do what `needs` says.

    Raises `Unauthenticated`, `Forbidden`, `StoreUnavailable`, `IdentityUnavailable`. Who is refused is in the log, too.
    """
    visit.caller = caller = services.identities.of_token(bearer_token(authorization), afresh=needs in _AFRESH)
    if needs in QUEUE_ACTIONS:
        if not caller.may(needs, queue):
            raise Forbidden(f"This needs the permission {needs}:{queue}.")
        return caller
    if needs in _BY_LOGIN and caller.key_id is not None:
        raise Forbidden("An API key may not do this; log in and use the token.")
    if needs == AT_HOME and caller.provider is not None:
        raise Forbidden("Only a user of Pulpo's own table may do this: it has no keys and passwords of others.")
    if needs not in _BY_TOKEN and not caller.may(needs):
        raise Forbidden(f"This needs the permission {needs}.")
    return caller


def _declare(view: View, needs: str) -> View:
    setattr(view, NEEDS, needs)
    return view


def _check() -> None:
    # An unknown path or method is refused as such, before any question of who is calling; OPTIONS tells no secret.
    if request.endpoint is None or request.method == "OPTIONS":
        return
    needs = getattr(current_app.view_functions[request.endpoint], NEEDS)
    if needs == SYSTEM_UNLESS_PUBLIC:
        needs = OPEN if services().metrics_public else "system"
    if needs == OPEN:
        return
    queue = (request.view_args or {}).get("queue", DEFAULT_QUEUE)
    admit(services(), visit(), request.headers.get("Authorization"), needs, queue)
