"""Flask's door: makes calls of its requests, and its responses of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from app.errors import Fault, Invalid
from app.models import DEFAULT_QUEUE
from app.web.bodies import read_body
from app.web.clients import client_of
from app.web.context import caller, services, visit
from app.web.exchange import Answer, Call, Operation, json_answer, request_key


def answer(operation: Operation, queue: str = DEFAULT_QUEUE) -> Response:
    """The response of a hot operation to this request."""
    call = Call(
        caller=caller(),
        queue=queue,
        options=options(),
        content_type=request.headers.get("Content-Type", ""),
        accept=request.headers.get("Accept", ""),
        key=request_key(caller(), request.headers.get("Idempotency-Key")),
        prefer=",".join(request.headers.getlist("Prefer")),
        traceparent=visit().traceparent,
        body=read_body(),
        client=client_of(request.environ.get("gunicorn.socket")),
    )
    return response_of(operation(services(), call))


def response_of(answer: Answer) -> Response:
    """`answer` as Flask has it."""
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """A response whose body is `content` as JSON."""
    return response_of(json_answer(status, content, headers))


def options() -> dict[str, str]:
    """The query options of this request. Raises `Invalid` if one is repeated."""
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        faults = [Fault("is given more than once", parameter=name) for name in twice]
        raise Invalid("Give each option once.", faults=faults)
    return request.args.to_dict()
