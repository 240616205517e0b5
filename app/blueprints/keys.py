"""GET and POST /keys, DELETE /keys/{id}: API keys for machines; one's own, and for an admin everybody's."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import UNSET, Meta, UnsetType

from app.errors import Conflict, Forbidden, NotFound
from app.people import ApiKey
from app.services.keys import credential_of
from app.web import lists, payloads
from app.web.bodies import SMALL_BODY_BYTES, read_body
from app.web.context import actor, caller, services
from app.web.exchange import Timestamp, timestamp
from app.web.flask_door import json_response, options
from app.web.guard import at_home, logged_in
from app.web.operations import operation

bp = Blueprint("keys", __name__)

MAX_LIFETIME_SECONDS = 10 * 366 * 86_400


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is to be; `expires_in` seconds, left out: for good."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
    permissions: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
    expires_in: Annotated[int, Meta(ge=60, le=MAX_LIFETIME_SECONDS)] | None = None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, without its secret."""

    id: str
    owner: str
    name: str
    permissions: tuple[str, ...]
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None


class MadeKey(Key, frozen=True, kw_only=True):
    """A key that was just made: `key` is the Bearer credential, shown this once; `secret` is its second half."""

    secret: str
    key: str


class Keys(msgspec.Struct, frozen=True):
    """A page of keys."""

    keys: list[Key]
    next_cursor: str | None


class RevokedKey(msgspec.Struct, frozen=True):
    """The key is good for nothing from now on."""

    id: str


class KeysPage(lists.Page, frozen=True, forbid_unknown_fields=True):
    """Which keys: those of one `owner`, for whoever may manage users; left out: one's own, or everybody's."""

    owner: lists.Text | UnsetType = UNSET


@bp.get("/keys")
@logged_in
@operation({200: Keys}, query=KeysPage)
def list_() -> Response:
    """Lists API keys: one's own, and for an admin everybody's."""
    page = payloads.convert(options(), KeysPage)
    owner = None if page.owner is UNSET else page.owner
    if not caller().may("admin"):
        owner = caller().username
    found = services().keys.page(owner=owner, after=page.place(), limit=page.limit + 1)
    shown, cursor = lists.page_of(found, limit=page.limit, place=lambda key: key.id)
    return json_response(Keys([Key(**_fields(key)) for key in shown], cursor))


@bp.post("/keys")
@at_home
@operation(
    {201: MadeKey},
    body=NewKey,
    raises=(Conflict, Forbidden),
    examples={"body": {"name": "billing", "permissions": ["push:orders.*"], "expires_in": 86400}},
)
def add() -> Response:
    """Makes an API key; its secret is shown this once."""
    asked = payloads.decode(read_body(most=SMALL_BODY_BYTES), NewKey)
    key, secret = services().keys.add(
        caller(), asked.name, permissions=asked.permissions, expires_in=asked.expires_in, by=actor()
    )
    return json_response(MadeKey(**_fields(key), secret=secret, key=credential_of(key.id, secret)), 201)


@bp.delete("/keys/<key_id>")
@logged_in
@operation({200: RevokedKey}, raises=(NotFound,))
def remove(key_id: str) -> Response:
    """Revokes an API key."""
    services().keys.remove(caller(), key_id, by=actor())
    return json_response(RevokedKey(key_id))


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "owner": key.owner,
        "name": key.name,
        "permissions": key.permissions,
        "created_at": timestamp(key.created_at * 1000),
        "expires_at": None if key.expires_at is None else timestamp(key.expires_at * 1000),
        "last_used_at": None if key.last_used_at is None else timestamp(key.last_used_at * 1000),
    }
