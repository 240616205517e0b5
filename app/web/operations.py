"""What each route takes and answers, declared beside its view; the OpenAPI document is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from flask import Flask

from app.errors import PulpoError

OPERATION = "pulpo_operation"
EXAMPLE_ID = "01a20c58-9657-7000-8000-0001fe0ccdab"
EXAMPLE_TIME = "2026-11-24T06:57:41.975Z"
EXAMPLE_RECEIPT = "AaIMWJZXcACAAAAB_gzNqwAAAAAAAAAAAAAAAAAAAAA.default"

# JSON Schema of what a type cannot say of itself: the class attribute SCHEMA of a body.
Rules = Mapping[str, Any]

View = TypeVar("View", bound=Callable[..., object])
Raised = tuple[type[PulpoError], ...]


class Operation(msgspec.Struct, frozen=True):
    """The types of a route's query, body and answers by status (several: one of them), and what it may refuse beside
    what every route may.

    `other_media`: media types of bodies and answers that are no JSON, by "body" or status. `headers` by status.
    `examples` by "body" or status.
    """

    answers: Mapping[int, Any]
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    raises: Raised = ()
    request_headers: tuple[str, ...] = ()
    headers: Mapping[int, tuple[str, ...]] = {}
    other_media: Mapping[str | int, str] = {}
    examples: Mapping[str | int, Any] = {}


def operation(
    answers: Mapping[int, Any],
    *,
    query: type[msgspec.Struct] | None = None,
    body: type[msgspec.Struct] | None = None,
    raises: Raised = (),
    request_headers: tuple[str, ...] = (),
    headers: Mapping[int, tuple[str, ...]] = {},
    other_media: Mapping[str | int, str] = {},
    examples: Mapping[str | int, Any] = {},
) -> Callable[[View], View]:
    """Declares what a view takes and answers."""
    declared = Operation(answers, query, body, raises, request_headers, headers, other_media, examples)

    def declare(view: View) -> View:
        setattr(view, OPERATION, declared)
        return view

    return declare


def check_operations(app: Flask) -> None:
    """Raises if a view of `app` does not say what it takes and answers."""
    undeclared = [name for name, view in app.view_functions.items() if not hasattr(view, OPERATION)]
    if undeclared:
        raise RuntimeError(f"these views do not say what they take and answer: {', '.join(undeclared)}")
