"""Makes the OpenAPI 3.1 document of the routes, from what each view declares and the types that it runs on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask
from werkzeug.routing import Rule

from app import errors
from app.errors import PulpoError
from app.version import VERSION
from app.web.exchange import encode
from app.web.guard import AT_HOME, LOGGED_IN, NEEDS, OPEN, SIGNED_IN
from app.web.operations import OPERATION, Operation
from app.web.problems import KINDS, PROBLEM, Problem, meaning_of
from app.web.pushes import PushItem

MADE = "pulpo_openapi"
REF = "#/components/schemas/{name}"
UNLISTED_METHODS = {"HEAD", "OPTIONS"}
JSON = "application/json"
OF_A_BODY = (errors.Malformed, errors.LengthRequired, errors.RequestTooLarge, errors.Invalid)
OAUTH_FORM_TOKEN = "/login"  # noqa: S105 - a path
PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "queue": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", "examples": ["orders.eu"]},
    "message_id": {"type": "string", "format": "uuid"},
}
HEADERS = {
    "Idempotency-Key": "What was asked under it before is answered again and not done again.",
    "Idempotency-Replayed": "`true`: the answer is that of an earlier request.",
    "Prefer": "`durable`: answer once what was done is proven to be safe.",
    "Preference-Applied": "`durable`: it is.",
    "traceparent": "The trace that the messages belong to (W3C Trace Context); each delivery tells it.",
    "Accept": "`application/octet-stream`: the bytes of one message, with what else there is to say in headers.",
    "If-Match": "Entity tags; the queue must have one of them, or nothing changes.",
    "ETag": "The entity tag of what is answered: of a queue, that of its settings.",
    "Location": "Where a browser goes on.",
    "Vary": "`Accept`: another wish gets another answer.",
    "Retry-After": "Seconds after which another try is worth it.",
    "WWW-Authenticate": "`Bearer`.",
}
DESCRIPTION = """A message queue over HTTP on the Redis you already run. Push puts a message in, pop takes it out; with
a lease pop borrows it until it is acknowledged, or it comes back. Every error is `application/problem+json` with a
`code`; every answer carries `X-Request-Id`. Permissions are `action:pattern` on the queue's name."""


def encoded_document(app: Flask) -> bytes:
    """The document as JSON, made once: it is the same for every caller, and anybody may ask for it."""
    if MADE not in app.extensions:
        app.extensions[MADE] = encode(document(app))
    made: bytes = app.extensions[MADE]
    return made


def document(app: Flask) -> dict[str, Any]:
    """The whole document."""
    declared = list(_declared(app))
    types = [*_types(declared), Problem, PushItem]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    for kind in types:
        components[kind.__name__] |= getattr(kind, "SCHEMA", {})
    known = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, view, operation in declared:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _operation(rule, view, operation, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pulpo",
            "version": VERSION,
            "description": DESCRIPTION,
            "contact": {"name": "The Pulpo authors"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"login": []}],
        "tags": [{"name": name, "description": what} for name, what in _tags(declared).items()],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _security_schemes()},
    }


def _declared(app: Flask) -> Iterator[tuple[Rule, str, Any, Operation]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        for method in sorted((rule.methods or set()) - UNLISTED_METHODS):
            yield rule, method, view, getattr(view, OPERATION)


def _tags(declared: list[tuple[Rule, str, Any, Operation]]) -> dict[str, str]:
    """The families of routes, each with the sentence that its module opens with."""
    return {
        rule.endpoint.split(".")[0]: str(sys.modules[view.__module__].__doc__).splitlines()[0]
        for rule, _, view, _ in declared
    }


def _types(declared: list[tuple[Rule, str, Any, Operation]]) -> list[Any]:
    types = [kind for *_, operation in declared for answer in operation.answers.values() for kind in _kinds(answer)]
    types += [operation.body for *_, operation in declared if operation.body is not None]
    return list(dict.fromkeys(types))


def _kinds(answer: Any) -> tuple[Any, ...]:
    """The types of an answer: none, one or several."""
    if answer is None:
        return ()
    return answer if isinstance(answer, tuple) else (answer,)


def _operation(rule: Rule, view: Any, declared: Operation, known: dict[Any, Any]) -> dict[str, Any]:
    needs = getattr(view, NEEDS)
    is_second = rule.rule.startswith("/queues/<queue>/") and rule.endpoint in {"push.push", "pop.pop", "count.count"}
    summary = view.__doc__.splitlines()[0]
    described: dict[str, Any] = {
        "operationId": re.sub(r"\W", "_", rule.endpoint).rstrip("_") + ("_of_queue" if is_second else ""),
        "tags": [rule.endpoint.split(".")[0]],
        "summary": summary.rstrip("."),
        "description": f"{summary}\n\n{_who_may(needs)}",
        "parameters": [*_path_parameters(rule), *_query_parameters(declared), *_header_parameters(declared)],
        "responses": _responses(rule, needs, declared, known),
    }
    if declared.body is not None:
        described["requestBody"] = _request_body(declared, known)
    if needs == OPEN:
        described["security"] = []
    else:
        described["x-permission"] = needs
    return described


def _who_may(needs: str) -> str:
    words = {
        OPEN: "Open to all.",
        SIGNED_IN: "Any token or API key may call it; what it may touch depends on the caller's permissions.",
        LOGGED_IN: "The token of a login may call it, an API key may not.",
        AT_HOME: "The token of a login of the user table may call it; an API key or a user from elsewhere may not.",
    }
    return words.get(needs, f"Needs the permission `{needs}`.")


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"<(?:\w+:)?(\w+)>", rule.rule):
        schema = PATH_SCHEMAS.get(name, {"type": "string", "minLength": 1, "pattern": "^[^/]+$"})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(declared: Operation) -> Iterator[dict[str, Any]]:
    if declared.query is None:
        return
    _, components = msgspec.json.schema_components([declared.query], ref_template=REF)
    (form,) = components.values()
    for name, schema in form["properties"].items():
        if schema.get("type") == "object":  # attributes.name=value: no parameter that can be described
            continue
        yield {"name": name, "in": "query", "required": name in form["required"], "schema": schema}


def _header_parameters(declared: Operation) -> Iterator[dict[str, Any]]:
    for name in declared.request_headers:
        if name != "Accept":  # the document says by media types what may be accepted
            yield {"name": name, "in": "header", "description": HEADERS[name], "schema": {"type": "string"}}


def _has_required(declared: Operation) -> bool:
    """Whether an empty body, which counts as an empty object, would be refused."""
    body = declared.body
    return body is not None and (hasattr(body, "SCHEMA") or any(each.required for each in msgspec.structs.fields(body)))


def _request_body(declared: Operation, known: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": known[declared.body]}}
    if "body" in declared.examples:
        content[JSON]["example"] = declared.examples["body"]
    other = declared.other_media.get("body")
    if other == "application/x-www-form-urlencoded":
        content[other] = {"schema": known[declared.body]}
    elif other is not None:
        content[other] = {"schema": {"type": "string", "format": "binary"}}
    return {"required": _has_required(declared), "content": content}


def _responses(rule: Rule, needs: str, declared: Operation, known: dict[Any, Any]) -> dict[str, Any]:
    answers = {str(status): _answer(status, declared, known) for status in declared.answers}
    refusals = {str(status): _refusal(kinds) for status, kinds in _refusals(rule, needs, declared).items()}
    return dict(sorted({**refusals, **answers}.items()))


def _answer(status: int, declared: Operation, known: dict[Any, Any]) -> dict[str, Any]:
    kind, answer = declared.answers[status], _described(HTTPStatus(status).phrase)
    for name in declared.headers.get(status, ()):
        answer["headers"][name] = {"description": HEADERS.get(name, ""), "schema": {"type": "string"}}
    schemas = [known[each] for each in _kinds(kind)]
    if schemas:
        answer["content"][JSON] = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
    if status in declared.examples:
        answer["content"][JSON]["example"] = declared.examples[status]
    if status in declared.other_media:
        answer["content"][declared.other_media[status]] = {"schema": {"type": "string", "format": "binary"}}
    return answer


def _described(what: str) -> dict[str, Any]:
    return {"description": what, "headers": _request_id(), "content": {}}


def _refusals(rule: Rule, needs: str, declared: Operation) -> dict[int, list[type[PulpoError]]]:
    """The errors that a route may answer, by status."""
    kinds: list[type[PulpoError]] = list(declared.raises)
    if needs != OPEN:
        kinds += [errors.Unauthenticated, errors.StoreUnavailable, errors.IdentityUnavailable, errors.Overloaded]
    if needs not in {OPEN, SIGNED_IN}:
        kinds.append(errors.Forbidden)
    if declared.body is not None:
        kinds += OF_A_BODY
    if declared.query is not None or "queue" in rule.arguments:
        kinds.append(errors.Invalid)
    if "message_id" in rule.arguments:
        kinds.append(errors.NotFound)
    by_status: dict[int, list[type[PulpoError]]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(KINDS[kind].status, []).append(kind)
    return by_status


def _refusal(kinds: list[type[PulpoError]]) -> dict[str, Any]:
    status = KINDS[kinds[0]].status
    headers = _request_id()
    for name, statuses in (("WWW-Authenticate", {401}), ("Retry-After", {429, 503})):
        if status in statuses:
            headers[name] = {"description": HEADERS[name], "schema": {"type": "string"}}
    return {
        "description": "\n".join(f"`{KINDS[kind].code}`: {meaning_of(kind)}" for kind in kinds),
        "headers": headers,
        "content": {
            PROBLEM: {
                "schema": {"$ref": REF.format(name="Problem")},
                "examples": {KINDS[kind].code: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: type[PulpoError]) -> dict[str, Any]:
    known = KINDS[kind]
    return {
        "type": f"/problems/{known.code}",
        "title": known.title,
        "status": known.status,
        "detail": meaning_of(kind),
        "code": known.code,
        "request_id": "1f6d2a8c0b7e4f3a9c5d1e2f3a4b5c6d",
    }


def _request_id() -> dict[str, Any]:
    return {"X-Request-Id": {"description": "The request's own, or one made up.", "schema": {"type": "string"}}}


def _security_schemes() -> dict[str, Any]:
    flow = {"tokenUrl": OAUTH_FORM_TOKEN, "scopes": {}}
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `POST /login`, or an API key."},
        "login": {"type": "oauth2", "flows": {"password": flow}, "description": "Logs in with name and password."},
    }
