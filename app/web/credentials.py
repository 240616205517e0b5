"""Reads a name and a password, sent as JSON or as a form."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import request
from msgspec import Meta

from app.people import MAX_PASSWORD_LENGTH
from app.web import payloads
from app.web.bodies import SMALL_BODY_BYTES, read_body

FORM = "application/x-www-form-urlencoded"
FORMS = (FORM, "multipart/form-data")


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a login sends."""

    username: Annotated[str, Meta(max_length=MAX_PASSWORD_LENGTH)]
    password: Annotated[str, Meta(max_length=MAX_PASSWORD_LENGTH)]

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a change of one's own password sends."""

    current: Annotated[str, Meta(max_length=MAX_PASSWORD_LENGTH)]
    new: Annotated[str, Meta(max_length=MAX_PASSWORD_LENGTH)]

    def __repr__(self) -> str:
        return "NewPassword(…)"


class LoginForm(Credentials, frozen=True, forbid_unknown_fields=True):
    """The same as a form, with what OAuth 2 clients send beside it; Pulpo does not look at that."""

    grant_type: str = ""
    scope: str = ""
    client_id: str = ""
    client_secret: str = ""

    def __repr__(self) -> str:
        return super().__repr__()


def read_new_password() -> NewPassword:
    """The passwords of this request. Raises `Malformed`, `Invalid`."""
    return payloads.decode(read_body(most=SMALL_BODY_BYTES), NewPassword)


def read_credentials() -> Credentials:
    """The credentials of this request. Raises `Malformed`, `Invalid`."""
    body = read_body(most=SMALL_BODY_BYTES)
    if request.mimetype in FORMS and not body.lstrip().startswith(b"{"):
        return payloads.convert(request.form.to_dict(), LoginForm)
    return payloads.decode(body, Credentials)
