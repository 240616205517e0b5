"""GET and POST /users, GET, PATCH and DELETE /users/{name}: the user table."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response
from msgspec import UNSET, Meta, UnsetType

from app.errors import Conflict, NotFound, RateLimited
from app.people import MAX_PASSWORD_LENGTH, Account
from app.web import lists, payloads
from app.web.bodies import SMALL_BODY_BYTES, read_body
from app.web.context import actor, services
from app.web.exchange import Detail
from app.web.flask_door import json_response, options
from app.web.guard import requires
from app.web.operations import operation

bp = Blueprint("users", __name__)


Names = Annotated[tuple[str, ...], Meta(max_length=100)]
Password = Annotated[str, Meta(max_length=MAX_PASSWORD_LENGTH)]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user who is to be."""

    username: str
    password: Password
    roles: Names = ()
    permissions: Names = ()

    def __repr__(self) -> str:
        return f"NewUser(username={self.username!r})"


class UserPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different about a user."""

    password: Password | UnsetType = UNSET
    roles: Names | UnsetType = UNSET
    permissions: Names | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET

    def __repr__(self) -> str:
        return "UserPatch(…)"


class User(msgspec.Struct, frozen=True):
    """A user, without their password."""

    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    disabled: bool


class Users(msgspec.Struct, frozen=True):
    """A page of users by name."""

    users: list[User]
    next_cursor: str | None


@bp.get("/users")
@requires("admin")
@operation({200: Users}, query=lists.Page)
def list_() -> Response:
    """Lists the users by name."""
    page = payloads.convert(options(), lists.Page)
    found = services().accounts.page(after=page.place(), limit=page.limit + 1)
    shown, cursor = lists.page_of(found, limit=page.limit, place=lambda account: account.username)
    return json_response(Users([_user(account) for account in shown], cursor))


@bp.post("/users")
@requires("admin")
@operation(
    {201: User},
    body=NewUser,
    raises=(Conflict, RateLimited),
    examples={"body": {"username": "bob", "password": "a long enough password", "roles": ["viewer"]}},
)
def add() -> Response:
    """Makes a user."""
    asked = payloads.decode(read_body(most=SMALL_BODY_BYTES), NewUser)
    account = services().accounts.add(
        asked.username, asked.password, roles=asked.roles, permissions=asked.permissions, by=actor()
    )
    return json_response(_user(account), 201)


@bp.get("/users/<username>")
@requires("admin")
@operation({200: User}, raises=(NotFound,))
def one(username: str) -> Response:
    """Shows a user."""
    return json_response(_user(services().accounts.one(username)))


@bp.patch("/users/<username>")
@requires("admin")
@operation(
    {200: User},
    body=UserPatch,
    raises=(NotFound, Conflict, RateLimited),
    examples={"body": {"permissions": ["push:orders.*"]}},
)
def change(username: str) -> Response:
    """Changes a user; a new password and `disabled` end their tokens."""
    asked = payloads.decode(read_body(most=SMALL_BODY_BYTES), UserPatch)
    account = services().accounts.change(username, **msgspec.structs.asdict(asked), by=actor())
    return json_response(_user(account))


@bp.delete("/users/<username>")
@requires("admin")
@operation({200: Detail}, raises=(NotFound, Conflict))
def remove(username: str) -> Response:
    """Removes a user, with their keys."""
    services().accounts.remove(username, by=actor())
    return json_response(Detail(f"The user {username} is gone."))


def _user(account: Account) -> User:
    return User(account.username, account.roles, account.permissions, account.disabled)
