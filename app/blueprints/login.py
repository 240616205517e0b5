"""POST /login, POST /logout, GET /me: a token for a password, its end, and who it stands for."""

from __future__ import annotations

from flask import Blueprint, Response

from app.web.context import caller, services
from app.web.credentials import read_credentials
from app.web.exchange import json_response
from app.web.guard import bearer_token, open_to_all, signed_in

bp = Blueprint("login", __name__)


@bp.post("/login")
@open_to_all
def login() -> Response:
    asked = read_credentials()
    account = services().accounts.login(asked.username, asked.password)
    tokens = services().tokens
    answer = {"access_token": tokens.issue(account), "token_type": "Bearer", "expires_in": tokens.lifetime_seconds}
    return json_response(answer)


@bp.post("/logout")
@signed_in
def logout() -> Response:
    services().identities.revoke(bearer_token())
    return json_response({"detail": "The token is revoked."})


@bp.get("/me")
@signed_in
def me() -> Response:
    return json_response(caller())
