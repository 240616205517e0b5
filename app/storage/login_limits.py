"""Counts refused logins by name and address, in Redis, or in memory while Redis cannot be used."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from limits import RateLimitItem, parse, parse_many
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

from app.errors import StoreFull, StoreUnavailable
from app.storage.keys import login_counters
from app.storage.lines import Commands
from app.storage.scripts import Script

log = logging.getLogger(__name__)

# How many refused logins there may be; each further window makes whoever goes on wait longer.
BY_NAME_AND_ADDRESS = parse_many("5/minute; 20/hour; 50/day")
BY_ADDRESS = parse_many("30/minute; 300/hour")
BY_NAME = parse_many("20/minute; 100/hour")
KNOWN = parse("1 per 30 days")  # used up by a login that was right: the name's own limit does not hold there

WITHOUT_REDIS_SECONDS = 10.0  # before it is asked again
MOST_REMEMBERED = 10_000  # counters in memory

Windows = list[tuple[RateLimitItem, tuple[str, ...]]]
Result = TypeVar("Result")


class RedisLoginLimits:
    """Fixed windows. Every process sees the same counters, unless Redis is down: then each has its own."""

    def __init__(self, commands: Commands, *, prefix: str) -> None:
        self._shared = FixedWindowRateLimiter(_Counters(commands, prefix=login_counters(prefix)))
        self._memory: MemoryStorage | None = None  # it starts a thread, so not before it is needed
        self._memory_until = 0.0

    def wait_seconds(self, username: str, address: str) -> int:
        """How long to wait before the next try; 0: not at all."""
        who = _Who(username, address)
        return self._with_counters(lambda counters: _wait_seconds(counters, who))

    def begin(self, username: str, address: str) -> int:
        """Counts a try of a name at an address, as refused until it has succeeded; how long to wait instead, or 0."""
        who = _Who(username, address)

        def count(counters: FixedWindowRateLimiter) -> int:
            if wait := _wait_seconds(counters, who):
                return wait
            within = all(counters.hit(item, *names) for item, names in who.of_both)
            return 0 if within else _wait_seconds(counters, who)

        return self._with_counters(count)

    def failed(self, username: str, address: str) -> None:
        """Counts a refused try at the name and at the address, each for itself."""
        who = _Who(username, address)
        self._with_counters(lambda counters: [counters.hit(item, *names) for item, names in who.of_each])

    def unanswered(self, username: str, address: str) -> None:
        """Takes back what `begin` counted."""
        who = _Who(username, address)
        self._with_counters(lambda counters: [counters.hit(item, *names, cost=-1) for item, names in who.of_both])

    def succeeded(self, username: str, address: str) -> None:
        """Forgets the slips of who got in from where they are, and that they may again."""
        who = _Who(username, address)

        def forget(counters: FixedWindowRateLimiter) -> None:
            for item, names in who.of_both:
                counters.clear(item, *names)
            counters.hit(KNOWN, *who.known)

        self._with_counters(forget)

    def _with_counters(self, use: Callable[[FixedWindowRateLimiter], Result]) -> Result:
        if time.monotonic() >= self._memory_until:
            try:
                return use(self._shared)
            except (RedisError, StoreUnavailable, StoreFull) as error:
                log.warning("logins are counted in memory for a while: %s", error)
                self._memory_until = time.monotonic() + WITHOUT_REDIS_SECONDS
        if self._memory is None or len(self._memory.storage) > MOST_REMEMBERED:
            self._memory = MemoryStorage()
        return use(FixedWindowRateLimiter(self._memory))


class _Counters(Storage):
    """Counters in Redis for `limits`, over our own lines: its own storage for a Cluster connects when it is made."""

    STORAGE_SCHEME = None

    def __init__(self, commands: Commands, *, prefix: str) -> None:
        super().__init__()
        self._commands = commands
        self._prefix = prefix
        self._count_up = Script("count_up")

    @property
    def base_exceptions(self) -> type[Exception]:
        return RedisError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return int(self._count_up.run(self._commands, [self._name(key)], [amount, expiry]))

    def get(self, key: str) -> int:
        return int(self._commands.execute_command("GET", self._name(key)) or 0)

    def get_expiry(self, key: str) -> float:
        return max(int(self._commands.execute_command("TTL", self._name(key))), 0) + time.time()

    def clear(self, key: str) -> None:
        self._commands.execute_command("DEL", self._name(key))

    def check(self) -> bool:
        """Whether Redis answers. Raises what `get` raises."""
        return self.get("") == 0

    def reset(self) -> int | None:
        """Raises, as other storages of `limits` do that cannot list their keys. It has to be there; nobody calls it."""
        raise NotImplementedError

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{key}"


class _Who:
    """The windows of a name and an address. The name is hashed: somebody may have typed a password there."""

    def __init__(self, username: str, address: str) -> None:
        name, network = hashlib.sha256(username.encode(errors="replace")).hexdigest()[:32], _network(address)
        self.known = ("known", name, network)
        self.of_both: Windows = [(item, ("both", name, network)) for item in BY_NAME_AND_ADDRESS]
        self.of_address: Windows = [(item, ("address", network)) for item in BY_ADDRESS]
        self.of_name: Windows = [(item, ("name", name)) for item in BY_NAME]
        self.of_each = self.of_address + self.of_name


def _wait_seconds(counters: FixedWindowRateLimiter, who: _Who) -> int:
    is_known = counters.get_window_stats(KNOWN, *who.known).remaining == 0
    waits = [0.0]
    for item, names in who.of_both + who.of_address + ([] if is_known else who.of_name):
        stats = counters.get_window_stats(item, *names)
        if stats.remaining == 0:
            waits.append(stats.reset_time - time.time() + 1)
    return max(1, int(max(waits))) if len(waits) > 1 else 0


def _network(address: str) -> str:
    """An IPv6 caller has a whole /64 to choose addresses from, so they count as one."""
    with suppress(ValueError):
        if ipaddress.ip_address(address).version == 6:
            return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return address
