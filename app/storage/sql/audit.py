"""The audit log in SQL: who did what, from where, with what outcome. No secret and no body is in it."""

from __future__ import annotations

import logging
import time
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import StoreUnavailable
from app.people import AuditEntry, AuditFilter, Deed
from app.storage.sql.engine import transaction
from app.storage.sql.tables import audit

log = logging.getLogger(__name__)

MINUTE_MS = 60_000
DAY_MS = 86_400_000
PRUNED_EVERY_MS = 3_600_000
LONGEST = {"actor": 80, "address": 64, "request_id": 128, "target": 128, "detail": 255}


def note(connection: Connection, deed: Deed) -> None:
    """Adds an entry in the transaction of `connection`, so that there is none without its deed, and none missing."""
    connection.execute(insert(audit).values(_row(deed, _now_ms())))


class SqlAudit:
    """The entries of what happened elsewhere, and all of them to read. Keeps each for `days`."""

    def __init__(self, engine: Engine, *, days: int) -> None:
        self._engine = engine
        self._kept_ms = days * DAY_MS
        self._pruned_ms = 0

    def record(self, deed: Deed) -> None:
        """Adds an entry."""
        self._prune()
        with transaction(self._engine) as connection:
            note(connection, deed)

    def record_done(self, deed: Deed) -> None:
        """Adds an entry of what cannot be undone any more; where that fails, the log on standard error has to do."""
        try:
            self.record(deed)
        except StoreUnavailable:
            log.error("not in the audit log: %s of %s by %s", deed.action, deed.target, deed.actor.name)

    def record_refusal(self, deed: Deed) -> None:
        """Counts a refusal into the one entry of its action, outcome, target, address and minute."""
        self._prune()
        now_ms = _now_ms()
        row = _row(deed, now_ms)
        bucket = f"{deed.action} {deed.outcome} {row['target']} {row['address']} {now_ms // MINUTE_MS}"
        again = update(audit).where(audit.c.bucket == bucket).values(row | {"times": audit.c.times + 1})
        try:
            with transaction(self._engine) as connection:
                if not connection.execute(again).rowcount:
                    connection.execute(insert(audit).values(row | {"bucket": bucket}))
        except IntegrityError:  # another node was first
            with transaction(self._engine) as connection:
                connection.execute(again)

    def page(self, which: AuditFilter, *, limit: int, before: int | None) -> list[AuditEntry]:
        """Up to `limit` entries that `which` lets through, newest first, beyond the one of the id `before`."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        for column, value in {
            audit.c.actor: which.actor,
            audit.c.action: which.action,
            audit.c.target: which.target,
        }.items():
            if value is not None:
                query = query.where(column == value)
        if which.after_ms is not None:
            query = query.where(audit.c.at_ms > which.after_ms)
        if which.before_ms is not None:
            query = query.where(audit.c.at_ms < which.before_ms)
        if before is not None:
            query = query.where(audit.c.id < before)
        with transaction(self._engine) as connection:
            return [_entry(row) for row in connection.execute(query)]

    def _prune(self) -> None:
        now_ms = _now_ms()
        if now_ms - self._pruned_ms < PRUNED_EVERY_MS:
            return
        with transaction(self._engine) as connection:
            connection.execute(delete(audit).where(audit.c.at_ms < now_ms - self._kept_ms))
        self._pruned_ms = now_ms


def _row(deed: Deed, now_ms: int) -> dict[str, Any]:
    actor = deed.actor
    texts = {
        "actor": actor.name,
        "address": actor.address,
        "request_id": actor.request_id,
        "target": deed.target,
        "detail": deed.detail,
    }
    cut = {name: text[: LONGEST[name]] for name, text in texts.items()}
    return cut | {"at_ms": now_ms, "action": deed.action, "outcome": deed.outcome, "times": 1}


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at_ms=row.at_ms,
        actor=row.actor,
        address=row.address,
        request_id=row.request_id,
        action=row.action,
        target=row.target,
        outcome=row.outcome,
        detail=row.detail,
        times=row.times,
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
