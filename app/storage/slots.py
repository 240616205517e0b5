"""The slots of a Cluster: which server has which keys, as one of the servers tells it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from redis import Connection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from app.redis_url import Address

UNKNOWN = "?"  # a server that has no name yet, where servers are told by name


class Slots:
    """The primary of each slot, as it was told once."""

    def __init__(self, ranges: Sequence[tuple[int, int, Address]], nodes: Sequence[Address]) -> None:
        self.nodes = tuple(nodes)  # all that there are, replicas among them
        self._ranges = sorted(ranges)
        self._keys: dict[tuple[Address, str], str] = {}
        self._owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, owner in self._ranges:
            self._owners[first : last + 1] = [owner] * (last + 1 - first)

    def owner(self, slot: int) -> Address | None:
        """Who has `slot`; None if nobody has it."""
        return self._owners[slot]

    def move(self, slot: int, owner: Address) -> None:
        """Notes that `slot` was moved, until all are told anew."""
        self._owners[slot] = owner

    def primaries(self) -> dict[Address, str]:
        """Each primary, and a name for it: its slots, of several ranges the first."""
        names: dict[Address, str] = {}
        for first, last, owner in self._ranges:
            names[owner] = f"{first}-{last}" if owner not in names else f"{names[owner].rstrip('+')}+"
        return names

    def key_on(self, owner: Address, base: str) -> str:
        """A key that lies on `owner`, one of the primaries."""
        if (owner, base) not in self._keys:
            own = [range(first, last + 1) for first, last, each in self._ranges if each == owner]
            keys = (f"{base}:{{{number}}}" for number in count())
            self._keys[owner, base] = next(key for key in keys if any(key_slot(key.encode()) in each for each in own))
        return self._keys[owner, base]


def tell_slots(connection: Connection, asked: Address) -> Slots:
    """What the server at the other end of `connection` says. Raises what redis-py raises."""
    connection.send_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
    told = connection.read_response(disable_decoding=True)
    ranges: list[tuple[int, int, Address]] = []
    nodes: dict[Address, None] = {}
    for first, last, *members in told:
        addresses = [_address(member, asked) for member in members]
        nodes.update((address, None) for address in addresses if address is not None)
        if addresses[0] is not None:
            ranges.append((int(first), int(last), addresses[0]))
    return Slots(ranges, list(nodes))


def _address(member: Sequence[Any], asked: Address) -> Address | None:
    """Host and port of a member. Where it does not say its host, it is the one that was asked."""
    host = bytes(member[0] or b"").decode()
    return None if host == UNKNOWN else Address(host or asked.host, int(member[1]))
