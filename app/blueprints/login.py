"""POST /login, POST /logout, GET /me, POST /me/password: a token for a password, its end, and who it stands for."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web.context import actor, caller, services
from app.web.credentials import read_credentials, read_new_password
from app.web.exchange import json_response
from app.web.guard import bearer_token, logged_in, open_to_all, signed_in

bp = Blueprint("login", __name__)


@bp.post("/login")
@open_to_all
def login() -> Response:
    asked = read_credentials()
    account = services().accounts.login(asked.username, asked.password, by=actor(name=""))
    tokens = services().tokens
    answer = {"access_token": tokens.issue(account), "token_type": "Bearer", "expires_in": tokens.lifetime_seconds}
    return json_response(answer)


@bp.post("/logout")
@signed_in
def logout() -> Response:
    services().identities.revoke(bearer_token(), by=actor())
    return json_response({"detail": "The token is revoked."})


@bp.get("/me")
@signed_in
def me() -> Response:
    who = caller()
    own = {"username": who.username, "roles": who.roles, "permissions": who.permissions}
    return json_response(own if who.key_id is None else own | {"key": who.key_id})


@bp.get("/.well-known/jwks.json")
@open_to_all
def public_keys() -> Response:
    return json_response({"keys": services().tokens.public_keys()})


@bp.post("/me/password")
@logged_in
def change_password() -> Response:
    asked = read_new_password()
    services().accounts.change_own_password(caller().username, asked.current, asked.new, by=actor())
    return json_response({"detail": "The password is changed; log in again."})
