"""Turns every failure into problem+json (RFC 9457); the one place that knows the status of an error."""

from __future__ import annotations

import logging

import msgspec
from flask import Flask, Response, request
from msgspec import UNSET, UnsetType
from werkzeug.exceptions import HTTPException

from app import errors
from app.web.context import visit
from app.web.exchange import Answer, encode
from app.web.flask_door import response_of

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_AFTER_SECONDS = 1


class Kind(msgspec.Struct, frozen=True):
    """What a class of errors is in HTTP."""

    status: int
    code: str
    title: str


KINDS: dict[type[errors.PulpoError], Kind] = {
    errors.Malformed: Kind(400, "malformed", "The body cannot be read"),
    errors.Unauthenticated: Kind(401, "unauthenticated", "Log in first"),
    errors.Forbidden: Kind(403, "forbidden", "A permission is missing"),
    errors.NotFound: Kind(404, "not-found", "There is no such thing"),
    errors.QueueNotFound: Kind(404, "queue-not-found", "There is no such queue"),
    errors.MessageNotFound: Kind(404, "message-not-found", "The message is gone"),
    errors.NotAcceptable: Kind(406, "not-acceptable", "The answer cannot take that form"),
    errors.LeaseLost: Kind(409, "lease-lost", "The lease was lost"),
    errors.QueuePaused: Kind(409, "queue-paused", "The queue takes no messages now"),
    errors.Conflict: Kind(409, "conflict", "It is in the way of what is there"),
    errors.PreconditionFailed: Kind(412, "precondition-failed", "It is not as it was seen"),
    errors.LengthRequired: Kind(411, "length-required", "The length must be declared"),
    errors.MessageTooLarge: Kind(413, "message-too-large", "The message is too large"),
    errors.RequestTooLarge: Kind(413, "request-too-large", "The request is too large"),
    errors.UnsupportedMediaType: Kind(415, "unsupported-media-type", "The content type does not fit"),
    errors.Invalid: Kind(422, "invalid", "The input is not valid"),
    errors.RateLimited: Kind(429, "rate-limited", "That is too much at once"),
    errors.QueueFull: Kind(429, "queue-full", "The queue is full"),
    errors.TooManyQueues: Kind(429, "too-many-queues", "There are too many queues"),
    errors.IdempotencyKeyReused: Kind(422, "idempotency-key-reused", "The key was used for something else"),
    errors.Overloaded: Kind(503, "overloaded", "There is too much to do now"),
    errors.StoreUnavailable: Kind(503, "store-unavailable", "The store cannot be used now"),
    errors.IdentityUnavailable: Kind(503, "identity-unavailable", "The identity provider cannot be used now"),
    errors.StoreFull: Kind(503, "store-full", "The store is full"),
    errors.NotDurable: Kind(503, "not-durable", "It is not proven that it lasts"),
}

# What Flask and Werkzeug raise of their own accord.
HTTP_KINDS: dict[int, Kind] = {
    400: KINDS[errors.Malformed],
    404: Kind(404, "not-found", "There is no such page"),
    405: Kind(405, "method-not-allowed", "The method is not allowed here"),
}
BROKEN = Kind(500, "internal", "Pulpo failed")
# What nginx answers in front of Pulpo, or in its place, in the same form (deploy/nginx/pulpo.conf.template).
PROXY_KINDS = (
    Kind(400, "bad-request", "The request cannot be read"),
    Kind(403, "tls-required", "Use https"),
    Kind(414, "uri-too-long", "The address is too long"),
    Kind(421, "misdirected", "Another host was asked for"),
    Kind(431, "headers-too-large", "The headers are too large"),
    Kind(502, "unreachable", "Pulpo cannot be reached"),
    Kind(503, "out-of-service", "Out of service"),
    Kind(504, "no-answer", "Pulpo did not answer in time"),
)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[errors.Fault, ...] = ()
    id: str | UnsetType = UNSET
    ids: tuple[str, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """What a `code` of a problem means."""

    code: str
    title: str
    status: int
    meaning: str


def explanation(code: str) -> Explanation:
    """What `code` means. Raises `NotFound` if no answer has it."""
    for error, kind in KINDS.items():
        if kind.code == code:
            return Explanation(code, kind.title, kind.status, meaning_of(error))
    for kind in (HTTP_KINDS[405], BROKEN, *PROXY_KINDS):
        if kind.code == code:
            return Explanation(code, kind.title, kind.status, f"{kind.title}.")
    raise errors.NotFound(f"No problem has the code {code}; GET /openapi.json lists those that a route may answer.")


def meaning_of(error: type[errors.PulpoError]) -> str:
    """The sentence that says what a class of errors is."""
    return str(error.__doc__).splitlines()[0]


def handle_problems(app: Flask) -> None:
    """Answers every error of `app` as problem+json."""
    app.register_error_handler(errors.PulpoError, _of_pulpo)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def refusal(error: errors.PulpoError, request_id: str) -> Answer:
    """The answer to a request that fails with `error`."""
    kind = KINDS[type(error)]
    problem = _problem(kind, error.detail, error.faults, request_id)
    if isinstance(error, errors.NotDurable):
        ids = error.ids
        problem = msgspec.structs.replace(problem, ids=ids, id=ids[0] if len(ids) == 1 else UNSET)
    headers = {}
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if kind.status in {429, 503}:
        headers["Retry-After"] = str(getattr(error, "retry_after_seconds", RETRY_AFTER_SECONDS))
    return Answer(kind.status, encode(problem), PROBLEM, headers)


def breakdown(error: Exception, request_id: str) -> Answer:
    """The answer to a request that fails by a fault of ours, which the log tells."""
    log.error("request %s failed", request_id, exc_info=error)
    detail = "This is a fault of Pulpo, not of the request; its log has the details."
    return Answer(BROKEN.status, encode(_problem(BROKEN, detail, (), request_id)), PROBLEM)


def _of_pulpo(error: errors.PulpoError) -> Response:
    return response_of(refusal(error, visit().request_id))


def _of_bug(error: Exception) -> Response:
    return response_of(breakdown(error, visit().request_id))


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    name = error.name.lower().replace(" ", "-").replace("'", "")
    kind = HTTP_KINDS.get(status, Kind(status, name, error.name))
    problem = _problem(kind, _detail(error), (), visit().request_id)
    response = response_of(Answer(status, encode(problem), PROBLEM))
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _detail(error: HTTPException) -> str:
    if error.code == 404:
        return f"Nothing lives at {request.path}; the README lists the routes."
    if error.code == 405:
        return f"{request.method} is not allowed here; the Allow header lists what is."
    return error.description or error.name


def _problem(kind: Kind, detail: str, faults: tuple[errors.Fault, ...], request_id: str) -> Problem:
    return Problem(f"/problems/{kind.code}", kind.title, kind.status, detail, kind.code, request_id, faults)
