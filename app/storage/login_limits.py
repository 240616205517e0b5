"""Counts refused logins by name and address, in Redis, or in memory while Redis cannot be used."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError

# How many refused logins there may be; each further window makes whoever goes on wait longer.
BY_NAME_AND_ADDRESS = parse_many("5/minute; 20/hour; 50/day")
BY_ADDRESS = parse_many("30/minute; 300/hour")
BY_NAME = parse_many("20/minute; 100/hour")

WITHOUT_REDIS_SECONDS = 10.0  # before it is asked again
MOST_REMEMBERED = 10_000  # counters in memory


class LoginLimits:
    """Fixed windows. Every process sees the same counters, unless Redis is down: then each has its own."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix=f"{prefix}:logins")
        self._shared = FixedWindowRateLimiter(storage)
        self._memory: MemoryStorage | None = None  # it starts a thread, so not before it is needed
        self._memory_until = 0.0

    def wait_seconds(self, username: str, address: str) -> int:
        """How long to wait before the next try; 0: not at all."""
        return self._with_counters(lambda counters: _wait_seconds(counters, username, address))

    def failed(self, username: str, address: str) -> None:
        """Counts a refused login."""

        def count(counters: FixedWindowRateLimiter) -> int:
            for item, names in _windows(username, address):
                counters.hit(item, *names)
            return 0

        self._with_counters(count)

    def succeeded(self, username: str, address: str) -> None:
        """Forgets the slips of who got in from where they are."""

        def forget(counters: FixedWindowRateLimiter) -> int:
            for item in BY_NAME_AND_ADDRESS:
                counters.clear(item, "both", username, _network(address))
            return 0

        self._with_counters(forget)

    def _with_counters(self, use: Callable[[FixedWindowRateLimiter], int]) -> int:
        if time.monotonic() >= self._memory_until:
            try:
                return use(self._shared)
            except RedisError:
                self._memory_until = time.monotonic() + WITHOUT_REDIS_SECONDS
        if self._memory is None or len(self._memory.storage) > MOST_REMEMBERED:
            self._memory = MemoryStorage()
        return use(FixedWindowRateLimiter(self._memory))


def _wait_seconds(counters: FixedWindowRateLimiter, username: str, address: str) -> int:
    waits = [0.0]
    for item, names in _windows(username, address):
        stats = counters.get_window_stats(item, *names)
        if stats.remaining == 0:
            waits.append(stats.reset_time - time.time() + 1)
    return max(1, int(max(waits))) if len(waits) > 1 else 0


def _windows(username: str, address: str) -> Iterator[tuple[RateLimitItem, tuple[str, ...]]]:
    network = _network(address)
    yield from ((item, ("both", username, network)) for item in BY_NAME_AND_ADDRESS)
    yield from ((item, ("address", network)) for item in BY_ADDRESS)
    yield from ((item, ("name", username)) for item in BY_NAME)


def _network(address: str) -> str:
    """An IPv6 caller has a whole /64 to choose addresses from, so they count as one."""
    with suppress(ValueError):
        if ipaddress.ip_address(address).version == 6:
            return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return address
