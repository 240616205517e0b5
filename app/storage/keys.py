"""The names of everything that a queue keeps in Redis, built here and nowhere else."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec


class QueueKeys(msgspec.Struct, frozen=True):
    """The keys of one queue. They share the hash tag `{queue}`, so they share a Cluster slot."""

    base: str
    queue: str
    delayed: str
    inflight: str
    waiting: str
    dead_messages: str
    groups: str
    grouped: str
    ready: tuple[str, str, str]
    leased: tuple[str, str, str, str]
    dead: tuple[str, str, str]

    @classmethod
    @lru_cache(maxsize=10_000)
    def of(cls, prefix: str, queue: str) -> QueueKeys:
        base = f"{prefix}:{{{queue}}}"
        return cls(
            base=base,
            queue=f"{base}:queue",
            delayed=f"{base}:delayed",
            inflight=f"{base}:inflight",
            waiting=f"{base}:waiting",
            dead_messages=f"{base}:dead:messages",
            groups=f"{base}:groups",
            grouped=f"{base}:grouped",
            ready=(f"{base}:ready:high", f"{base}:ready:normal", f"{base}:ready:low"),
            leased=(f"{base}:leased:high", f"{base}:leased:normal", f"{base}:leased:low", f"{base}:leased:last"),
            dead=(f"{base}:dead:max-attempts", f"{base}:dead:rejected", f"{base}:dead:expired"),
        )

    @property
    def all_states(self) -> list[str]:
        """For scripts that may move a message from any state to any other."""
        head = [self.queue, self.delayed, self.inflight, self.dead_messages]
        return [*head, *self.ready, *self.leased, *self.dead, self.waiting, self.groups, self.grouped]

    @property
    def all_content(self) -> list[str]:
        """Everything that ends with the queue."""
        return [key for key in self.all_states if key != self.waiting]

    @property
    def of_push(self) -> list[str]:
        """For a push, before the records of what was pushed under a key."""
        return [self.queue, self.delayed, *self.ready, *self.leased, self.waiting, self.groups, self.grouped]

    @property
    def of_pop_one(self) -> list[str]:
        """For the pop of one ready message."""
        return [self.queue, self.inflight, *self.ready, *self.leased]

    @property
    def of_ack_one(self) -> list[str]:
        """For the settlement of one message that has no group."""
        return [self.queue, self.inflight, *self.leased]

    @property
    def of_ack(self) -> list[str]:
        """For a settlement that makes a message disappear, and the next of its group come forward."""
        return [self.queue, self.inflight, *self.leased, self.groups, self.grouped, self.ready[1], self.waiting]

    @property
    def counted(self) -> list[str]:
        """For scripts that count what is in each state."""
        return [self.queue, self.delayed, *self.ready, *self.leased, *self.dead, self.grouped]

    @property
    def all_dead(self) -> list[str]:
        """For scripts that look at dead letters, those that still lie where their last lease ended among them."""
        return [self.queue, self.inflight, self.dead_messages, *self.dead, self.leased[3]]

    @property
    def of_dead_letter(self) -> list[str]:
        """For a script that may take one of them away."""
        return [*self.all_dead, self.groups, self.grouped, self.ready[1], self.waiting]

    @property
    def of_redrive(self) -> list[str]:
        """For a script that gives dead letters back."""
        return [*self.all_dead, self.groups, self.grouped, *self.ready, self.waiting]

    def request_record(self, caller: str, key: str) -> str:
        """The record of what a caller pushed under an idempotency key."""
        return f"{self.base}:idem:{_digest(caller, key)}"

    def pop_record(self, caller: str, key: str) -> str:
        """The record of what a caller popped under an idempotency key."""
        return f"{self.base}:replay:{_digest(caller, key)}"

    def message_record(self, key: str) -> str:
        """The record of the message that was pushed under a deduplication key."""
        return f"{self.base}:key:{key}"


def queue_index(prefix: str) -> str:
    """The ZSET that lists the names of all queues."""
    return f"{prefix}:queues"


def hint_channel(prefix: str) -> str:
    """The channel where scripts tell that messages came to a queue."""
    return f"{prefix}:hints"


def login_counters(prefix: str) -> str:
    """What the keys of refused logins begin with; the library that counts them names the rest."""
    return f"{prefix}:logins"


def health_probe(prefix: str) -> str:
    """The key that the health check writes."""
    return f"{prefix}:probe"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
