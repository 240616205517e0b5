"""GET and POST /keys, DELETE /keys/{id}: API keys for machines; one's own, and for an admin everybody's."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import UNSET, Meta, UnsetType

from app.models import ApiKey
from app.services.keys import credential_of
from app.web import lists, payloads
from app.web.bodies import SMALL_BODY_BYTES, read_body
from app.web.context import actor, caller, services
from app.web.exchange import json_response, options, timestamp
from app.web.guard import logged_in

bp = Blueprint("keys", __name__)

MAX_LIFETIME_SECONDS = 10 * 366 * 86_400


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is to be; `expires_in` seconds, left out: for good."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
    permissions: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
    expires_in: Annotated[int, Meta(ge=60, le=MAX_LIFETIME_SECONDS)] | None = None


class Page(lists.Page, frozen=True, forbid_unknown_fields=True):
    """Which keys: those of one `owner`, for whoever may manage users; left out: one's own, or everybody's."""

    owner: lists.Text | UnsetType = UNSET


@bp.get("/keys")
@logged_in
def list_() -> Response:
    page = payloads.convert(options(), Page)
    owner = None if page.owner is UNSET else page.owner
    if not caller().may("admin"):
        owner = caller().username
    found = services().keys.page(owner=owner, after=page.place(), limit=page.limit + 1)
    return json_response(lists.write_page("keys", found, limit=page.limit, place=lambda key: key.id, write=_key))


@bp.post("/keys")
@logged_in
def add() -> Response:
    asked = payloads.decode(read_body(most=SMALL_BODY_BYTES), NewKey)
    key, secret = services().keys.add(
        caller(), asked.name, permissions=asked.permissions, expires_in=asked.expires_in, by=actor()
    )
    return json_response(_key(key) | {"secret": secret, "key": credential_of(key.id, secret)}, 201)


@bp.delete("/keys/<key_id>")
@logged_in
def remove(key_id: str) -> Response:
    services().keys.remove(caller(), key_id, by=actor())
    return json_response({"id": key_id})


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "owner": key.owner,
        "name": key.name,
        "permissions": key.permissions,
        "created_at": timestamp(key.created_at * 1000),
        "expires_at": None if key.expires_at is None else timestamp(key.expires_at * 1000),
        "last_used_at": None if key.last_used_at is None else timestamp(key.last_used_at * 1000),
    }
