"""What was sent and what was answered, with the times of both: all that the checker knows.

A message is known by the number that is its body. Times are seconds of the monotonic clock of the harness.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """What an answer says of the call."""

    OK = "ok"
    REFUSED = "refused"  # surely not done
    UNKNOWN = "unknown"  # done, or not, or not yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `status` is 0 where no answer came."""

    began: float
    ended: float
    outcome: Outcome
    status: int
    node: int
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Push(Call):
    """One message or a batch; `ids` where they were answered. A repetition has the same `key` and numbers."""

    numbers: tuple[int, ...]
    ids: tuple[str, ...] = ()
    group: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """One message in the answer of a pop."""

    number: int
    id: str
    receipt: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pop(Call):
    """A leased pop; a repetition under the same `key` may answer the same receipts, leased as early as `since`."""

    lease_seconds: float
    since: float
    taken: tuple[Taken, ...] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """One receipt of a settlement; `result` is empty where it is not known."""

    number: int
    receipt: str
    attempt: int
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement(Call):
    """`kind` is ack, nack or extend; `buries`: a nack that makes dead letters."""

    kind: str
    settled: tuple[Settled, ...]
    buries: bool = False


UNASKED = "failover"  # a kind of span that is no fault of ours


@dataclass(frozen=True, slots=True)
class Span:
    """A fault: when it came, when its healing began, when all was whole again.

    `seconds_to_recover`: until push, pop and ack worked at every node, from the fault where it `was_got_over` while it
    lasted, else from when its healing began. `can_roll_back`: a replica without the newest writes may have taken over.
    """

    kind: str
    victim: str
    injected: float
    healed: float
    whole: float
    seconds_to_recover: float
    was_got_over: bool
    can_roll_back: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that was there at the end."""

    number: int
    id: str


@dataclass
class History:
    """Everything that happened; the lists are appended to by several threads."""

    pushes: list[Push] = field(default_factory=list)
    pops: list[Pop] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def add(self, call: Push | Pop | Settlement) -> None:
        match call:
            case Push():
                self.pushes.append(call)
            case Pop():
                self.pops.append(call)
            case Settlement():
                self.settlements.append(call)

    def calls(self) -> list[Push | Pop | Settlement]:
        return [*self.pushes, *self.pops, *self.settlements]


class Numbers:
    """Gives each message a number of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.given = 0

    def take(self, count: int) -> tuple[int, ...]:
        with self._lock:
            first = self.given
            self.given += count
        return tuple(range(first, first + count))
