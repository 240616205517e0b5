"""Reads bodies and options: decodes, checks, and names every fault where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from app.errors import Fault, Invalid, Malformed

Form = TypeVar("Form", bound=msgspec.Struct)

MAX_FAULTS = 100

_INDEX = re.compile(r"\[(\d+)\]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options or a body with nothing in it."""


def decode(body: bytes, form: type[Form]) -> Form:
    """`body` as a `form`; an empty body is the empty object. Raises `Malformed` or `Invalid`."""
    check_utf8(body)
    try:
        try:
            decoded: Form = _decoder(form).decode(body or b"{}")
        except msgspec.ValidationError as error:
            # It ends the reading where it stands; what follows may be no JSON at all.
            msgspec.json.decode(body or b"{}", type=msgspec.Raw)
            fault = fault_of(error)
            raise Invalid(_sentence(fault), faults=[fault]) from error
    except msgspec.DecodeError as error:
        raise Malformed(f"The body is not well-formed JSON ({error}); with curl, send it by --json.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deep.") from error
    return decoded


@lru_cache
def _decoder(form: type[Form]) -> msgspec.json.Decoder[Form]:
    return msgspec.json.Decoder(form)


def convert(options: Mapping[str, Any], form: type[Form]) -> Form:
    """Query options as a `form`. Raises `Invalid`."""
    try:
        return msgspec.convert(options, form, strict=False)
    except msgspec.ValidationError as error:
        fault = fault_of(error)
        name = (fault.pointer or "").lstrip("/") or None
        raise Invalid(_sentence(fault), faults=[Fault(fault.detail, parameter=name)]) from error
    except ValueError as error:  # a moment beyond the year 9999
        raise Invalid(f"An option is out of range: {error}.") from error


def with_query(body: Form, options: Mapping[str, Any], form: type[Form]) -> Form:
    """`body` with the query options of a `form` beside its own. Raises `Invalid`, also if one stands in both."""
    if not options:
        return body
    in_query = _given(convert(options, form))
    in_body = _given(body)
    twice = [Fault("stands in the body and in the query", parameter=name) for name in in_query if name in in_body]
    if twice:
        raise Invalid("An option stands either in the body or in the query, not in both.", faults=twice)
    return msgspec.structs.replace(body, **in_query)


def check_utf8(body: bytes) -> None:
    """Raises `Malformed` if `body` is not UTF-8; msgspec does not look where it decodes nothing."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: byte {error.start} cannot be read.") from error


def check_depth(value: bytes, limit: int, *, at: str) -> None:
    """Raises `Malformed` if the JSON in `value` nests deeper than `limit`."""
    if value.count(b"[") + value.count(b"{") <= limit:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", value)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > limit:
            detail = f"The message nests deeper than {limit} levels."
            raise Malformed(detail, faults=[Fault(detail, pointer=at)])


def fault_of(error: msgspec.ValidationError, *, at: str = "") -> Fault:
    """Where and what, of msgspec's message: "Expected `int` - at `$.messages[3].delay`" is at /messages/3/delay."""
    what, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").replace("[...]", "")  # some entry of an object: msgspec does not say which
    path = _INDEX.sub(r"/\1", place).replace(".", "/")
    return Fault(what, pointer=at + path)


def _given(form: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(form).items() if value is not msgspec.UNSET}


def _sentence(fault: Fault) -> str:
    place = f" at {fault.pointer}" if fault.pointer else ""
    return f"{fault.detail}{place}."
