"""Lines to a Cluster: each command goes to the server that has its keys, and follows them when they move."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from redis import Redis
from redis.client import PubSub
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from app import patience
from app.errors import StoreUnavailable
from app.redis_url import Address, Topology
from app.storage.lines import Command, Held, Lines, OutOfTime, Shard
from app.storage.slots import Slots

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # to find a server that tells the slots; who is asked last may take as long again
FOLLOW_SECONDS = 1.5  # from a command's start; after that a redirection is an error
TRY_AGAIN_SECONDS = 0.02
PAUSE_SECONDS = 0.1  # between two looks

# The server has run nothing: the command may be sent again.
REDIRECTIONS = (AskError, TryAgainError)  # MOVED is an AskError, too
# What is known of the Cluster may be out of date.
SIGNS_OF_CHANGE = (ConnectionError, TimeoutError, ClusterDownError, ReadOnlyError)
COMMANDS_WITH_SCRIPTS = {"EVALSHA", "EVAL"}


class ClusterLines:
    """One `Lines` for each server. Sends again only what the server said that it did not run.

    `look` asks one server for the slots, in a bounded time; `connect` makes the client of one.
    """

    topology: Topology = "cluster"

    def __init__(
        self,
        seeds: Sequence[Address],
        *,
        look: Callable[[Address], Slots],
        connect: Callable[[Address], Redis],
    ) -> None:
        self._seeds = tuple(seeds)
        self._look = look
        self._connect = connect
        self._lines: dict[Address, Lines] = {}
        self._slots: Slots | None = None
        self._is_stale = True
        self._suspect: Address | None = None  # who failed last is asked last
        self._looked_at = 0.0
        self._looking = threading.Lock()
        self._connecting = threading.Lock()

    def execute_command(self, *command: Any) -> Any:
        """The reply to `command`, whose first key says where it goes. Raises what redis-py raises."""
        started_at = time.monotonic()
        address = self._owner(slot_of(command))
        try:
            return self.lines_to(address).execute_command(*command)
        except REDIRECTIONS as error:
            return self._follow(command, error, started_at)
        except SIGNS_OF_CHANGE as error:
            self.notice(address, error)
            raise

    def execute_commands(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to `commands`, in one round trip a server; a refusal of one stands in its place."""
        started_at = time.monotonic()
        places: dict[Address, list[int]] = {}
        for place, command in enumerate(commands):
            places.setdefault(self._owner(slot_of(command)), []).append(place)
        replies: list[Any] = [None] * len(commands)
        for address, here in places.items():
            try:
                found = self.lines_to(address).execute_commands([commands[place] for place in here])
            except SIGNS_OF_CHANGE as error:
                self.notice(address, error)
                raise
            for place, reply in zip(here, found, strict=True):
                replies[place] = reply
        for place, reply in enumerate(replies):
            if isinstance(reply, REDIRECTIONS):
                try:
                    replies[place] = self._follow(commands[place], reply, started_at)
                except ResponseError as refusal:
                    replies[place] = refusal
            elif isinstance(reply, SIGNS_OF_CHANGE):
                self._is_stale = True
        return replies

    @contextmanager
    def hold(self, key: str) -> Iterator[Held]:
        """A connection to the server that has `key`; to another one where `key` turns out to have moved."""
        with _HeldInCluster(self, self._owner(key_slot(key.encode()))) as held:
            yield held

    def shards(self, base: str) -> list[Shard]:
        """Every primary, by its slots, with a key that begins with `base`."""
        slots = self._known()
        return [
            Shard(name, self.lines_to(address).client, slots.key_on(address, base))
            for address, name in slots.primaries().items()
        ]

    def subscriber(self) -> PubSub:
        """What hears all that is published: each server passes it on to all others."""
        address = random.choice(list(self._known().primaries()))  # noqa: S311 - it keeps no secret  # nosec B311
        return self.lines_to(address).subscriber()

    def close(self) -> None:
        """Closes the connections that nobody uses."""
        for lines in list(self._lines.values()):
            lines.close()

    def notice(self, address: Address, error: BaseException) -> None:
        """Makes the next command look at the Cluster first: `error` says that something is wrong at `address`."""
        if isinstance(error, OutOfTime):  # which says nothing of it
            return
        self._suspect = address
        self._is_stale = True

    def lines_to(self, address: Address) -> Lines:
        """The lines to one server."""
        lines = self._lines.get(address)
        if lines is None:
            with self._connecting:
                lines = self._lines.setdefault(address, Lines(self._connect(address)))
        return lines

    def where_next(
        self, command: Command, error: RedisError, asked: Address, started_at: float
    ) -> tuple[Address, bool]:
        """Where `command` is to be sent after `error` of `asked`, and whether it must be preceded by ASKING.

        Raises `error` if that went on for too long.
        """
        is_over = time.monotonic() - started_at > FOLLOW_SECONDS
        if is_over or not isinstance(error, TryAgainError | AskError):
            try:
                raise error
            finally:  # else it held this call, and the call it (decision 0028); so below
                del error
        if isinstance(error, TryAgainError):  # some of the keys have been moved, and some not yet
            time.sleep(TRY_AGAIN_SECONDS)
            return self._owner(slot_of(command)), False
        target = Address(error.host or asked.host, error.port)
        if not isinstance(error, MovedError):
            return target, True
        if self._slots is not None:
            self._slots.move(error.slot_id, target)
        self._is_stale = True
        return target, False

    def _follow(self, command: Command, error: RedisError, started_at: float) -> Any:
        """The reply to `command` from wherever its keys are now."""
        address = self._owner(slot_of(command))
        try:
            while True:
                address, must_ask = self.where_next(command, error, address, started_at)
                try:
                    return self._send(address, command, must_ask=must_ask)
                except REDIRECTIONS as next_error:
                    error = next_error
        finally:
            del error

    def _send(self, address: Address, command: Command, *, must_ask: bool) -> Any:
        lines = self.lines_to(address)
        try:
            if not must_ask:
                return lines.execute_command(*command)
            reply = lines.execute_commands([("ASKING",), command])[1]
        except SIGNS_OF_CHANGE as error:
            self.notice(address, error)
            raise
        if isinstance(reply, RedisError):
            try:
                raise reply
            finally:
                del reply
        return reply

    def _owner(self, slot: int) -> Address:
        owner = self._known().owner(slot)
        if owner is None:
            self._is_stale = True
            raise ConnectionError(f"no server of the Cluster has the slot {slot}")
        return owner

    def _known(self) -> Slots:
        """The slots as far as they are known; looks for them if that may be out of date."""
        if (self._is_stale or self._slots is None) and patience.left(time.monotonic()) >= 2 * LOOK_SECONDS:
            self._look_again()
        if self._slots is None:
            raise ConnectionError("no server of the Cluster tells its slots")
        return self._slots

    def _look_again(self) -> None:
        """One thread looks; the others go on with what is known, and wait only where nothing is."""
        if not self._looking.acquire(timeout=0 if self._slots else LOOK_SECONDS):
            return
        try:
            if self._is_stale and time.monotonic() - self._looked_at > PAUSE_SECONDS:
                self._is_stale = False  # it may be again before the end
                found = self._ask_around()
                self._is_stale = self._is_stale or found is None
                self._slots = found or self._slots
                self._looked_at = time.monotonic()
        finally:
            self._looking.release()

    def _ask_around(self) -> Slots | None:
        """What the first server says that answers in time."""
        known = list(self._slots.nodes if self._slots else ())
        random.shuffle(known)
        addresses = list(dict.fromkeys([*known, *self._seeds]))
        addresses.sort(key=lambda address: address == self._suspect)
        deadline = time.monotonic() + LOOK_SECONDS
        for address in addresses:
            try:
                found = self._look(address)
            except RedisError as error:
                log.info("%s:%s does not tell the slots: %s", *address, error)
            else:
                if found.primaries():
                    self._forget_others(found)
                    return found
            if time.monotonic() > deadline:
                break
        return None

    def _forget_others(self, slots: Slots) -> None:
        for address in self._lines.keys() - set(slots.nodes):
            with self._connecting:
                gone = self._lines.pop(address)
            gone.close()


class _HeldInCluster:
    """One connection, or after a redirection another one."""

    def __init__(self, cluster: ClusterLines, address: Address) -> None:
        self._cluster = cluster
        self._address = address
        self._stack = ExitStack()
        self._held = self._hold(address)

    def __enter__(self) -> _HeldInCluster:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *rest: Any) -> None:
        if isinstance(error, (RedisError, StoreUnavailable)):
            self._cluster.notice(self._address, error)
        self._stack.__exit__(kind, error, *rest)

    @property
    def redis(self) -> Redis:
        """The client of the connection that is held now."""
        return self._held.redis

    def execute_command(self, *command: Any) -> Any:
        """The reply to `command`, from where its keys are."""
        started_at, must_ask = time.monotonic(), False
        while True:
            try:
                if must_ask:
                    self._held.execute_command("ASKING")
                return self._held.execute_command(*command)
            except REDIRECTIONS as error:
                address, must_ask = self._cluster.where_next(command, error, self._address, started_at)
            if address != self._address:
                self._held, self._address = self._hold(address), address

    def _hold(self, address: Address) -> Held:
        try:
            return self._stack.enter_context(self._cluster.lines_to(address).hold(""))
        except RedisError as error:
            self._cluster.notice(address, error)
            raise


def slot_of(command: Command) -> int:
    """The slot of the first key of `command`."""
    key = command[3] if command[0] in COMMANDS_WITH_SCRIPTS else command[1]
    return key_slot(key if isinstance(key, bytes) else key.encode())
