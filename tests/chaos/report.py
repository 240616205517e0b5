"""Says what a run showed: the table of faults, and the history of each message with which something was wrong."""

from __future__ import annotations

import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.checker import STANDS_STILL, Story, Violation, stories_of
from tests.chaos.record import UNASKED, History, Outcome, Pop, Push, Settlement, Span

SHOWN = 10  # histories
STALE = ("lease-lost", "message-not-found")


def table(spans: Sequence[Span]) -> list[str]:
    """Lines of Markdown: how long it took after each kind of fault until everything worked at every node."""
    lines = [
        "| fault | times | counted from | median | worst |",
        "|---|---|---|---|---|",
    ]
    by_kind: dict[tuple[str, str], list[float]] = defaultdict(list)
    for span in (span for span in spans if span.kind != UNASKED):
        by_kind[span.kind, "the fault" if span.was_got_over else "its end"].append(span.seconds_to_recover)
    for (kind, since), seconds in sorted(by_kind.items()):
        lines.append(
            f"| {kind} | {len(seconds)} | {since} | {statistics.median(seconds):.1f} s | {max(seconds):.1f} s |"
        )
    return lines


def summary(history: History, broken: Sequence[Violation], rolled_back: Sequence[Violation]) -> list[str]:
    """Lines: what was sent and answered, and what was wrong."""
    pushed = {number for push in history.pushes if push.outcome is Outcome.OK for number in push.numbers}
    maybe = {number for push in history.pushes if push.outcome is Outcome.UNKNOWN for number in push.numbers} - pushed
    acked = {one.number for call in history.settlements for one in call.settled if one.result == "acked"}
    deliveries = sum(len(pop.taken) for pop in history.pops)
    unknown = Counter(type(call).__name__.lower() for call in history.calls() if call.outcome is Outcome.UNKNOWN)
    statuses = Counter(call.status for call in history.calls())
    refused = Counter(one.result for call in history.settlements for one in call.settled if one.result in STALE)
    return [
        f"{len(pushed)} messages answered 201, of {len(maybe)} more it is not known",
        f"{deliveries} deliveries, {len(acked)} acked, {len(history.letters)} dead",
        f"answers: {dict(sorted(statuses.items()))}; not known: {dict(unknown)}",
        f"receipts refused: {dict(refused)}",
        f"slowest answer where no process stood still: {slowest_answer(history):.1f} s",
        f"broken: {_by_rule(broken)}",
        f"undone by failover: {_by_rule(rolled_back)}",
    ]


def slowest_answer(history: History) -> float:
    """Seconds, of the calls that no stopped process can have held up."""
    still = [(span.injected, span.whole) for span in history.spans if span.kind in STANDS_STILL]
    return max(
        (
            call.ended - call.began
            for call in history.calls()
            if call.status and not any(call.began <= until and call.ended >= since for since, until in still)
        ),
        default=0.0,
    )


def _by_rule(violations: Sequence[Violation]) -> str:
    rules = Counter(violation.rule for violation in violations)
    return ", ".join(f"{count} {rule}" for rule, count in sorted(rules.items())) or "nothing"


def histories(history: History, violations: Sequence[Violation], *, origin: float) -> list[str]:
    """Lines: each of the first violations, what happened to its message, and the faults meanwhile."""
    stories = stories_of(history)
    lines = []
    for violation in violations[:SHOWN]:
        lines.append(f"{violation.rule}: message {violation.number}: {violation.detail}")
        if violation.when is not None:
            when = violation.when
            lines.append(f"    by {type(when).__name__.lower()} {when.began - origin:.3f}–{when.ended - origin:.3f}")
        if violation.number is not None and violation.number in stories:
            lines += [f"    {line}" for line in _story(stories[violation.number], history.spans, origin)]
    if len(violations) > SHOWN:
        lines.append(f"and {len(violations) - SHOWN} more")
    return lines


def _story(story: Story, spans: Sequence[Span], origin: float) -> list[str]:
    events: list[tuple[float, str]] = []

    def note(call: Push | Pop | Settlement, what: str) -> None:
        times = f"{call.began - origin:9.3f}–{call.ended - origin:9.3f}"
        events.append((call.began, f"{times}  node {call.node}  {what}: {call.outcome.value} {call.status or ''}"))

    for push in story.pushes:
        note(push, f"push of {len(push.numbers)} to {push.queue}, group {push.group}, key {push.key}")
    for pop, taken in story.deliveries:
        note(pop, f"pop, attempt {taken.attempt}, lease {pop.lease_seconds} s, {taken.id} {_short(taken.receipt)}")
    for call, settled in story.settlements:
        note(call, f"{call.kind}{' dead' if call.buries else ''} {_short(settled.receipt)} {settled.result}")
    if events:
        first, last = min(events)[0] - 1, max(events)[0] + 1
        for span in spans:
            if span.injected <= last and span.whole >= first:
                times = f"{span.injected - origin:9.3f}–{span.whole - origin:9.3f}"
                events.append((span.injected, f"{times}  FAULT {span.kind} {span.victim}"))
    return [line for _, line in sorted(events)] + (["dead at the end"] if story.is_dead else [])


def _short(receipt: str) -> str:
    """Enough to tell one receipt from another; at its end is the queue's name."""
    return f"…{receipt.partition('.')[0][-8:]}"


def write(path: Path, title: str, lines: Sequence[str]) -> None:
    """Appends a run to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n## {title}\n\nPython {platform.python_version()}\n\n" + "\n".join(lines) + "\n")
