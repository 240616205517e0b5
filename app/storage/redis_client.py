"""Makes the redis-py client, and turns its errors into ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
    TryAgainError,
)
from redis.retry import Retry

from app.errors import PulpoError, StoreFull, StoreUnavailable

log = logging.getLogger(__name__)

# Together they keep all Redis work of a request under 5 s: a connection may have to be made first.
CONNECT_TIMEOUT_SECONDS = 1.0
COMMAND_TIMEOUT_SECONDS = 2.0
NO_LIMIT = 2**31  # threads are what limits connections: each holds one or two at most

# What a server answers that cannot take commands now; redis-py has no classes for these.
REFUSALS = ("MISCONF", "NOREPLICAS", "BUSY ", "UNKILLABLE")
UNUSABLE = (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    ReadOnlyError,
    TryAgainError,
)


def connect(url: str) -> Redis:
    """A client that connects when it is first used, gives up in bounded time and sends nothing twice."""
    pool = ConnectionPool.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="pulpo",
        max_connections=NO_LIMIT,
    )
    return Redis(connection_pool=pool)


def translated(error: RedisError) -> PulpoError | None:
    """What an error of redis-py is to us; None if it is a fault of ours."""
    if isinstance(error, OutOfMemoryError):
        return StoreFull("Redis has reached its memory limit; pop messages or give it more memory.")
    if isinstance(error, TimeoutError):
        log.warning("redis did not answer in time: %s", error)
        return StoreUnavailable("Redis did not answer in time; whether the request took effect is not known.")
    if isinstance(error, UNUSABLE):
        log.warning("redis cannot be used: %s: %s", type(error).__name__, error)
        return StoreUnavailable("Redis cannot be reached; where a connection broke, the request may have taken effect.")
    if str(error).startswith(REFUSALS):
        log.warning("redis refuses: %s", error)
        return StoreUnavailable("Redis refuses requests now; try again.")
    return None


@contextmanager
def translating_errors() -> Iterator[None]:
    """Turns what redis-py raises inside the block into `StoreUnavailable` or `StoreFull`."""
    try:
        yield
    except RedisError as error:
        ours = translated(error)
        if ours is None:
            raise
        raise ours from error
