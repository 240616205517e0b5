"""Connects to Redis, and turns redis-py's errors into ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import (
    AskError,
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
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from app.errors import PulpoError, StoreFull, StoreUnavailable
from app.redis_url import Address, RedisUrl, parse_redis_url
from app.storage.cluster import ClusterLines
from app.storage.lines import COMMAND_SECONDS, CONNECT_SECONDS, InTime, Lines, Servers
from app.storage.sentinels import Sentinels
from app.storage.slots import Slots, tell_slots

log = logging.getLogger(__name__)

LOOK_TIMEOUT_SECONDS = 0.5  # for one server of a Cluster to tell the slots; others may be asked
NO_LIMIT = 2**31  # threads are what limits connections: each holds one or two at most
OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": COMMAND_SECONDS,
    "retry": Retry(NoBackoff(), 0),
    "client_name": "pulpo",
    "max_connections": NO_LIMIT,
}


class _Plain(InTime, Connection):
    """Over TCP."""


class _Tls(InTime, SSLConnection):
    """Over TCP with TLS."""


class _Local(InTime, UnixDomainSocketConnection):
    """Over a socket of this machine."""


class _OfSentinels(InTime, SentinelManagedConnection):
    """To whoever is the primary."""


class _OfSentinelsTls(InTime, SentinelManagedSSLConnection):
    """To whoever is the primary, with TLS."""


IN_TIME: dict[Any, Any] = {
    Connection: _Plain,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Local,
}

# What a server answers that cannot take commands now; redis-py has no classes for these.
REFUSALS = ("MISCONF", "NOREPLICAS", "BUSY ", "UNKILLABLE")
UNUSABLE = (
    AskError,  # MOVED, too: it was followed for long enough
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    ReadOnlyError,
    TryAgainError,
)


def connect(url: str) -> Servers:
    """The servers that `url` names. It connects when they are first used, gives up in bounded time, and sends nothing
    twice. Raises `ValueError`, as `parse_redis_url` does.
    """
    told = parse_redis_url(url)
    options = {**parse_url(told.one_server), **OPTIONS}  # type: ignore[no-untyped-call]
    kind = IN_TIME[options.pop("connection_class", Connection)]
    if told.topology == "standalone":
        return Lines(Redis(connection_pool=ConnectionPool(kind, **options)))
    del options["host"]
    options.pop("port", None)
    if told.topology == "sentinel":
        return Lines(_primary(told, options | {"ssl": kind is _Tls}), topology="sentinel")
    del options["db"]
    return ClusterLines(
        told.addresses,
        look=lambda address: _look(kind, address, options),
        connect=lambda address: Redis(
            connection_pool=ConnectionPool(kind, **options, host=address.host, port=address.port)
        ),
    )


def _primary(told: RedisUrl, options: dict[str, Any]) -> Redis:
    """The client of whatever server the sentinels call the primary when a connection is made."""
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    own = {
        "username": told.sentinel_username,
        "password": told.sentinel_password,
        "client_name": options["client_name"],
    }
    sentinels = Sentinels(told.addresses, credentials={**tls, **own}, **options)
    kind = _OfSentinelsTls if options["ssl"] else _OfSentinels
    primary: Redis = sentinels.master_for(told.service, connection_class=kind)  # type: ignore[no-untyped-call]
    return primary


def _look(kind: type[Connection], address: Address, options: dict[str, Any]) -> Slots:
    """What one server of a Cluster tells of it, over a connection that is made for that."""
    timeouts = {"socket_connect_timeout": LOOK_TIMEOUT_SECONDS, "socket_timeout": LOOK_TIMEOUT_SECONDS}
    own = {name: value for name, value in options.items() if name != "max_connections"} | timeouts
    connection = kind(**own, host=address.host, port=address.port)
    try:
        return tell_slots(connection, address)
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]


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
        try:
            raise ours from error
        finally:
            del ours
