"""GET /audit: who did what, newest first."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response
from msgspec import UNSET, UnsetType

from app.people import AuditEntry, AuditFilter
from app.web import lists, payloads
from app.web.context import services
from app.web.exchange import Moment, Timestamp, milliseconds, timestamp
from app.web.flask_door import json_response, options
from app.web.guard import requires
from app.web.operations import operation

bp = Blueprint("audit", __name__)

LARGEST_ID = 2**63 - 1


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what; `times` more than 1: so many refused logins of one address, name and minute."""

    at: Timestamp
    actor: str
    address: str
    action: str
    target: str
    outcome: str
    detail: str
    times: int
    request_id: str


class Entries(msgspec.Struct, frozen=True):
    """A page of the audit log, newest first."""

    entries: list[Entry]
    next_cursor: str | None


class AuditPage(lists.Page, frozen=True, forbid_unknown_fields=True):
    """Which entries: of one actor, action, target, strictly after and before two times."""

    actor: lists.Text | None = None
    action: lists.Text | None = None
    target: lists.Text | None = None
    after: Moment | UnsetType = UNSET
    before: Moment | UnsetType = UNSET


@bp.get("/audit")
@requires("admin")
@operation({200: Entries}, query=AuditPage)
def audit() -> Response:
    """Lists who did what, newest first."""
    page = payloads.convert(options(), AuditPage)
    after_ms = None if page.after is UNSET else milliseconds(page.after, "after")
    before_ms = None if page.before is UNSET else milliseconds(page.before, "before")
    which = AuditFilter(page.actor, page.action, page.target, after_ms, before_ms)
    found = services().audit.page(which, limit=page.limit + 1, before=_id(page.place()))
    shown, cursor = lists.page_of(found, limit=page.limit, place=lambda entry: str(entry.id))
    return json_response(Entries([_entry(entry) for entry in shown], cursor))


def _id(place: str) -> int | None:
    if not place:
        return None
    if not place.isascii() or not place.isdigit() or int(place) > LARGEST_ID:
        raise lists.no_cursor()
    return int(place)


def _entry(entry: AuditEntry) -> Entry:
    return Entry(
        at=timestamp(entry.at_ms),
        actor=entry.actor,
        address=entry.address,
        action=entry.action,
        target=entry.target,
        outcome=entry.outcome,
        detail=entry.detail,
        times=entry.times,
        request_id=entry.request_id,
    )
