"""What a run did and met."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# A run of many steps that met less than this has tested less than it seems.
WORTH_MEETING = {
    *("acked", "nacked", "extended", "lease-lost", "message-not-found"),
    *("max_messages", "max_bytes", "request key", "key 1", "key 2", "queue not found"),
    *("push replayed", "delivered", "delivered again", "pop replayed", "told when the next falls due"),
    *(
        "letter max-attempts",
        "letter rejected",
        "letter taken away",
        "more letters",
        "redriven",
        "some left to redrive",
    ),
    *("letter expired", "queue paused", "pushed while paused", "a group blocked", "deleted"),
    *("purged all", "purged ready", "purged delayed", "purged leased", "purged dead"),
    *("letters dropped", "dead letters too old to be shown", "spent deliveries"),
}


@dataclass(slots=True)
class Report:
    """How many steps of each kind were made, how often they met what is worth meeting, and how many examples ended
    early since the clock ticked in a script."""

    made: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    failed_after: int | None = None

    @property
    def steps(self) -> int:
        return self.made.total()

    @property
    def not_met(self) -> set[str]:
        return WORTH_MEETING - set(self.met)

    def __str__(self) -> str:
        return f"{self.steps} steps ({_listed(self.made)}), {self.cuts} examples cut short; met: {_listed(self.met)}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
