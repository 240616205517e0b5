"""The fast door: a WSGI layer before Flask that answers the hot operations by the same functions as Flask's door.

It knows whole paths and plain requests. Whatever it does not recognise exactly, a query or a chunked body among it, it
leaves to Flask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Flask

from app.errors import PulpoError
from app.models import DEFAULT_QUEUE, is_queue_name
from app.web.bodies import check_whole
from app.web.clients import client_of
from app.web.context import Services
from app.web.exchange import Answer, Call, Operation, request_key
from app.web.guard import NEEDS, admit
from app.web.problems import breakdown, refusal
from app.web.visits import SECURITY_HEADERS, Visit, begin, conclude

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

QUEUES, ANY_QUEUE = "/queues/", "/queues/<queue>/"
METHODS = {"GET", "POST"}
MOST_DIGITS = 18  # of a length; Python refuses to read thousands of them
MOST_OF_A_PATH = 128  # no route with a queue's longest name has more, and what is remembered must stay small
NO_CONTENT = HTTPStatus.NO_CONTENT.value
STATUS_LINES = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}
SECURITY = list(SECURITY_HEADERS.items())


class _Route(msgspec.Struct, frozen=True):
    rule: str
    needs: str
    operation: Operation


class _Place(msgspec.Struct, frozen=True):
    """Where a request of this door goes; `named` is the queue in its path."""

    route: _Route
    named: str | None
    queue: str


class FastDoor:
    """Goes before `app`, whose endpoints in `operations` it answers itself."""

    def __init__(self, app: Flask, services: Services, operations: Mapping[str, Operation]) -> None:
        self._flask: WSGIApplication = app.wsgi_app
        self._services = services
        self._routes = {
            (method, rule.rule): _Route(
                rule.rule, getattr(app.view_functions[rule.endpoint], NEEDS), operations[rule.endpoint]
            )
            for rule in app.url_map.iter_rules()
            if rule.endpoint in operations
            for method in METHODS & (rule.methods or set())
        }
        self._place = lru_cache(maxsize=1_024)(self._find)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        place = self._recognise(environ)
        if place is None:
            return self._flask(environ, start_response)
        visit = begin(environ.get("HTTP_X_REQUEST_ID"), environ.get("HTTP_TRACEPARENT"))
        answer = self._answer(place, visit, environ)
        conclude(
            visit,
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            route=place.route.rule,
            queue=place.named,
            status=answer.status,
        )
        start_response(STATUS_LINES[answer.status], _headers(answer, visit))
        return [answer.body]

    def _recognise(self, environ: dict[str, Any]) -> _Place | None:
        path, length = environ.get("PATH_INFO", ""), environ.get("CONTENT_LENGTH") or "0"
        if (
            environ["REQUEST_METHOD"] not in METHODS
            or environ.get("QUERY_STRING")
            or "HTTP_TRANSFER_ENCODING" in environ
            or "HTTP_UPGRADE" in environ
            or not (length.isdecimal() and len(length) <= MOST_DIGITS)
            or int(length) > self._services.limits.max_request_bytes
            or len(path) > MOST_OF_A_PATH
        ):
            return None
        return self._place(environ["REQUEST_METHOD"], path)

    def _find(self, method: str, path: str) -> _Place | None:
        named = None
        if path.startswith(QUEUES):
            named, _, last = path[len(QUEUES) :].partition("/")
            path = ANY_QUEUE + last
        route = self._routes.get((method, path))
        if route is None or not (named is None or is_queue_name(named)):
            return None
        return _Place(route, named, named or DEFAULT_QUEUE)

    def _answer(self, place: _Place, visit: Visit, environ: dict[str, Any]) -> Answer:
        try:
            authorization = environ.get("HTTP_AUTHORIZATION")
            caller = admit(self._services, visit, authorization, place.route.needs, place.queue)
            call = Call(
                caller=caller,
                queue=place.queue,
                options={},
                content_type=environ.get("CONTENT_TYPE", ""),
                accept=environ.get("HTTP_ACCEPT", ""),
                key=request_key(caller, environ.get("HTTP_IDEMPOTENCY_KEY")),
                prefer=environ.get("HTTP_PREFER", ""),
                traceparent=visit.traceparent,
                body=_read(environ),
                client=client_of(environ.get("gunicorn.socket")),
            )
            return place.route.operation(self._services, call)
        except PulpoError as error:
            return refusal(error, visit.request_id)
        except Exception as error:  # noqa: BLE001 - as Flask does: whatever breaks is answered and logged
            return breakdown(error, visit.request_id)


def _read(environ: dict[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length:
        return b""
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ValueError):  # the connection broke; there is nobody to answer, but a line to log
        body = b""
    check_whole(body, length)
    return body


def _headers(answer: Answer, visit: Visit) -> list[tuple[str, str]]:
    headers = [("Content-Type", answer.content_type), *answer.headers.items(), ("X-Request-Id", visit.request_id)]
    if answer.status != NO_CONTENT:
        headers.append(("Content-Length", str(len(answer.body))))
    return headers + SECURITY
