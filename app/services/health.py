"""Says whether Pulpo can serve, and why not, by a real write and a real read; and what may lose messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

import msgspec

from app.errors import StoreFull, StoreUnavailable
from app.services.ports import RedisProbe, UserTableProbe

CACHED_SECONDS = 1.0

Status = Literal["pass", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one part does, and what is wrong with it."""

    status: Status
    detail: str | None = None


class Report(msgspec.Struct, frozen=True):
    """How the whole does: as its worst part."""

    status: Status
    checks: dict[str, Check]


class Health:
    """Looks once a second at most, however often it is asked."""

    def __init__(self, redis: RedisProbe, user_table: UserTableProbe, *, now: Callable[[], float]) -> None:
        self._redis = redis
        self._user_table = user_table
        self._now = now
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._looked_at = 0.0

    def report(self) -> Report:
        """The newest report, at most a second old."""
        with self._lock:
            if self._report is None or not 0 <= self._now() - self._looked_at < CACHED_SECONDS:
                checks = {"redis": _look(self._redis.write), "user_table": _look(self._user_table.read)}
                checks |= self._dangers(checks["redis"])
                self._report = Report(_worst([check.status for check in checks.values()]), checks)
                self._looked_at = self._now()
            return self._report

    def _dangers(self, redis: Check) -> dict[str, Check]:
        try:
            found = self._redis.dangers() if redis.status != "fail" else {}
        except StoreUnavailable:
            return {}  # it failed since, and the next report will say so
        return {name: Check("pass") if what is None else Check("warn", what) for name, what in found.items()}


def _look(probe: Callable[[], str | None]) -> Check:
    """`probe` says what is wrong with a part, and raises where the whole fails."""
    try:
        of_a_part = probe()
    except StoreFull as error:
        # Pops and acks still work, and only they can make room: the node must keep its traffic.
        return Check("warn", error.detail)
    except StoreUnavailable as error:
        return Check("fail", error.detail)
    return Check("pass") if of_a_part is None else Check("warn", of_a_part)


def _worst(statuses: list[Status]) -> Status:
    order: tuple[Status, ...] = ("fail", "warn", "pass")
    return next(status for status in order if status in statuses)
