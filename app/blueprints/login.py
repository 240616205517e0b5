"""POST /login, POST /logout, GET /me, POST /me/password: a token for a password, its end, and who it stands for."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request
from msgspec import UNSET, UnsetType

from app.errors import IdentityUnavailable, Invalid, RateLimited, StoreUnavailable, Unauthenticated
from app.web.context import actor, caller, services
from app.web.credentials import FORM, Credentials, NewPassword, read_credentials, read_new_password
from app.web.exchange import Detail
from app.web.flask_door import json_response
from app.web.guard import at_home, bearer_token, open_to_all, signed_in
from app.web.operations import operation

bp = Blueprint("login", __name__)


class Token(msgspec.Struct, frozen=True):
    """What to send as `Authorization: Bearer`, good for `expires_in` seconds."""

    access_token: str
    token_type: str
    expires_in: int


class Me(msgspec.Struct, frozen=True):
    """Who is calling and what they may do; `key`: the API key that they call with."""

    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    key: str | UnsetType = UNSET


class PublicKeys(msgspec.Struct, frozen=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]


@bp.post("/login")
@open_to_all
@operation(
    {200: Token},
    body=Credentials,
    raises=(Unauthenticated, RateLimited, StoreUnavailable, IdentityUnavailable),
    other_media={"body": FORM},
    examples={"body": {"username": "ada", "password": "a long enough password"}},
)
def login() -> Response:
    """Gives a token for a name and a password."""
    asked = read_credentials()
    issued = services().logins.login(asked.username, asked.password, by=actor(name=""))
    return json_response(Token(issued.token, "Bearer", issued.lifetime_seconds))


@bp.post("/logout")
@signed_in
@operation({200: Detail}, raises=(Invalid,))
def logout() -> Response:
    """Revokes the token presented, on every process within 2 s."""
    services().identities.revoke(bearer_token(request.headers.get("Authorization")), by=actor())
    return json_response(Detail("The token is revoked."))


@bp.get("/me")
@signed_in
@operation({200: Me})
def me() -> Response:
    """Says who the caller is and what they may do."""
    who = caller()
    key = UNSET if who.key_id is None else who.key_id
    return json_response(Me(who.username, who.roles, who.permissions, key))


@bp.get("/.well-known/jwks.json")
@open_to_all
@operation({200: PublicKeys})
def public_keys() -> Response:
    """Publishes the keys that verify tokens, if there are public ones."""
    return json_response(PublicKeys(services().tokens.public_keys()))


@bp.post("/me/password")
@at_home
@operation(
    {200: Detail},
    body=NewPassword,
    raises=(RateLimited,),
    examples={"body": {"current": "a long enough password", "new": "another long password"}},
)
def change_password() -> Response:
    """Changes the caller's own password; their tokens end."""
    asked = read_new_password()
    services().accounts.change_own_password(caller().username, asked.current, asked.new, by=actor())
    return json_response(Detail("The password is changed; log in again."))
