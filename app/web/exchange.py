"""What a hot operation gets and gives: plain values, so that it needs neither Flask nor its request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.errors import Fault, Invalid
from app.models import RequestKey
from app.people import Principal
from app.web.clients import Client
from app.web.context import Services

JSON = "application/json"
REQUEST_KEY = re.compile(r"[\x20-\x7e]{1,255}")
OCTETS = "application/octet-stream"

Moment = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$",
        extra_json_schema={"format": "date-time"},
        examples=["2026-11-24T06:57:41.975Z"],
    ),
]
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-24T06:57:41.975Z"])]

_encode = msgspec.json.Encoder().encode

DURABLE = {"Preference-Applied": "durable"}


class Call(msgspec.Struct, frozen=True):
    """One request to a hot operation; `client` is None where it cannot be known whether they are still there."""

    caller: Principal
    queue: str
    options: Mapping[str, str]
    content_type: str
    accept: str
    key: RequestKey | None
    prefer: str
    traceparent: str | None
    body: bytes
    client: Client | None

    @property
    def is_durable(self) -> bool:
        """Whether what is done has to be proven safe; each preference may have a value and parameters (RFC 7240)."""
        if not self.prefer:
            return False
        preferences = self.prefer.split(",")
        return "durable" in (re.split("[;=]", part)[0].strip().lower() for part in preferences)


class Answer(msgspec.Struct, frozen=True):
    """One response of a hot operation."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = {}


class Detail(msgspec.Struct, frozen=True):
    """What was done, in a sentence."""

    detail: str


Operation = Callable[[Services, Call], Answer]


def encode(content: Any) -> bytes:
    """`content` as JSON with a line end, so that a terminal shows each answer on a line of its own."""
    return _encode(content) + b"\n"


def json_answer(status: int, content: Any, headers: Mapping[str, str] = {}) -> Answer:
    """An answer whose body is `content` as JSON; `msgspec.Raw` in it goes out verbatim."""
    return Answer(status, encode(content), headers=headers)


def request_key(caller: Principal, key: str | None) -> RequestKey | None:
    """What the header Idempotency-Key stands for. Raises `Invalid`."""
    if key is None:
        return None
    if not REQUEST_KEY.fullmatch(key):
        detail = "An Idempotency-Key has 1 to 255 printable ASCII characters."
        raise Invalid(detail, faults=[Fault(detail, parameter="Idempotency-Key")])
    return RequestKey(caller.account_id, key)


def timestamp(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=1_024)  # most of what is asked for lies within a few seconds
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def milliseconds(moment: str, name: str) -> int:
    """Milliseconds since 1970 of a moment in RFC 3339. Raises `Invalid`, naming the option, if there is no such day."""
    try:
        return max(0, round(datetime.fromisoformat(moment.upper()).timestamp() * 1000))
    except ValueError as error:
        detail = f"{name} is no moment that there is; write it as 2026-11-24T06:57:41Z."
        raise Invalid(detail, faults=[Fault(detail, parameter=name)]) from error
