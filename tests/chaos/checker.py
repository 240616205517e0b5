"""Finds in a history what no run may show: pure functions over the record, in the manner of Jepsen.

A call whose outcome is unknown may have happened at any time from its beginning on, or never, so it accuses nobody and
excuses much. Each rule yields a violation only where no order of events could explain the record.

Where a replica takes over, what was not replicated is undone. Only durable pushes and acks are promised to outlive
that; a lease or a nack is not, so violations that the loss of one explains are set apart as `is_rollback`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.record import Call, History, Outcome, Pop, Push, Settled, Settlement, Taken

LAG_SECONDS = 1.0  # how long before a fault a write may have been made that no replica got
CLOCK_SECONDS = 0.05  # between the clock of Redis and ours
PATIENCE_SECONDS = 10.0  # within this every call is answered, unless its process stands still
PROVEN = frozenset({"lost", "came back"})  # what durable pushes and acks rule out
STANDS_STILL = frozenset({"stop worker", "stop node"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken. `when`: the call whose effect is missing, or that should not have been answered so."""

    rule: str
    number: int | None
    detail: str
    when: Call | None = None
    can_be_rollback: bool = False


@dataclass
class Story:
    """All that happened to one message."""

    number: int
    pushes: list[Push] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    deliveries: list[tuple[Pop, Taken]] = field(default_factory=list)
    settlements: list[tuple[Settlement, Settled]] = field(default_factory=list)
    is_dead: bool = False

    @property
    def first_push(self) -> float:
        return min(push.began for push in self.pushes)

    def answered_push(self) -> Push | None:
        """The first push that was answered with success."""
        return min((push for push in self.pushes if push.outcome is Outcome.OK), key=_ended, default=None)

    @property
    def was_seen(self) -> bool:
        return bool(self.deliveries) or self.is_dead

    def done(self, *results: str) -> list[tuple[Settlement, Settled]]:
        """The settlements that were answered with one of `results`."""
        return [(call, one) for call, one in self.settlements if one.result in results]

    def may_be_acked(self) -> bool:
        """Whether an ack of it was answered with success, or may have been done."""
        return any(
            call.kind == "ack" and (call.outcome is Outcome.UNKNOWN or one.result == "acked")
            for call, one in self.settlements
        )

    def may_be_gone(self, before: float = float("inf")) -> bool:
        """Whether it may have been acked or buried by a call that began before that time, or is dead."""
        return self.is_dead or any(
            call.began < before
            and (call.kind == "ack" or call.buries)
            and (call.outcome is Outcome.UNKNOWN or one.result in ("acked", "nacked"))
            for call, one in self.settlements
        )


def check(
    history: History, *, replicated: bool = False, durable: bool = True
) -> tuple[list[Violation], list[Violation]]:
    """What was broken, and what only a roll-back by failover explains: `replicated` says that there are such.

    `durable`: pushes and acks were proven, so that failover may undo none of them either.
    """
    stories = stories_of(history)
    found = [*calls_out_of_bounds(history), *half_batches(history, stories), *out_of_order(history, stories)]
    for rule in RULES:
        found += [violation for story in stories.values() for violation in rule(story)]
    if not replicated:
        return found, []
    broken: list[Violation] = []
    rolled_back: list[Violation] = []
    for violation in found:
        (rolled_back if _is_rollback(violation, history, durable=durable) else broken).append(violation)
    return broken, rolled_back


def stories_of(history: History) -> dict[int, Story]:
    """The story of each number that occurs."""
    stories = _Stories()
    for push in history.pushes:
        for place, number in enumerate(push.numbers):
            stories[number].pushes.append(push)
            if push.ids:
                stories[number].ids.add(push.ids[place])
    for pop in history.pops:
        for taken in pop.taken:
            stories[taken.number].deliveries.append((pop, taken))
            stories[taken.number].ids.add(taken.id)
    for settlement in history.settlements:
        for settled in settlement.settled:
            stories[settled.number].settlements.append((settlement, settled))
    for letter in history.letters:
        stories[letter.number].is_dead = True
        stories[letter.number].ids.add(letter.id)
    return stories


class _Stories(dict[int, Story]):
    def __missing__(self, number: int) -> Story:
        story = self[number] = Story(number)
        return story


def lost(story: Story) -> Iterator[Violation]:
    """A push was answered with success, and at the end it is neither acked nor dead.

    Who was buried is among the dead, who are all read, so a burial excuses nothing.
    """
    push = story.answered_push()
    if push is not None and not story.is_dead and not story.may_be_acked():
        yield Violation(
            "lost", story.number, "pushed with success, and gone without an ack", push, can_be_rollback=True
        )


def from_nowhere(story: Story) -> Iterator[Violation]:
    """It was seen, though nobody pushed it, or each push was refused."""
    if story.was_seen and all(push.outcome is Outcome.REFUSED for push in story.pushes):
        yield Violation("from nowhere", story.number, "seen, and no push of it can have been done")


def made_twice(story: Story) -> Iterator[Violation]:
    """One number has two ids: a push, or a repetition of one under its key, went in twice."""
    if len(story.ids) > 1:
        first = min(story.pushes, key=_began, default=None)
        yield Violation("made twice", story.number, f"has the ids {sorted(story.ids)}", first, can_be_rollback=True)


def came_back(story: Story) -> Iterator[Violation]:
    """It was acked, and a pop that was asked later delivers it, or it is dead; or a later delivery of it was known."""
    for ack, acked in story.done("acked"):
        received = min((pop.began for pop, taken in story.deliveries if taken.receipt == acked.receipt), default=0.0)
        for pop, taken in story.deliveries:
            detail = f"acked and delivered, attempt {acked.attempt} and {taken.attempt}"
            if pop.began > ack.ended:
                yield Violation("came back", story.number, detail, ack, can_be_rollback=True)
                return
            if taken.receipt != acked.receipt and taken.attempt > acked.attempt and pop.ended > received:
                # Two primaries at once count attempts each for itself, so this proves nothing of a durable ack.
                yield Violation("acked too late", story.number, detail, ack, can_be_rollback=True)
                return
        if story.is_dead:
            yield Violation("came back", story.number, "acked, and dead at the end", ack, can_be_rollback=True)
            return


def honoured_twice(story: Story) -> Iterator[Violation]:
    """One receipt settled its message more than once."""
    ends = story.done("acked", "nacked")
    for receipt, times in Counter(settled.receipt for _, settled in ends).items():
        if times > 1:
            first = min((call for call, settled in ends if settled.receipt == receipt), key=_began)
            detail = f"one receipt honoured {times} times"
            yield Violation("honoured twice", story.number, detail, first, can_be_rollback=True)


def not_fenced(story: Story) -> Iterator[Violation]:
    """A receipt was honoured after the message was known to be leased to somebody else."""
    for call, settled in story.done("acked", "nacked", "extended"):
        own = [pop for pop, taken in story.deliveries if taken.receipt == settled.receipt]
        if not own:
            continue
        received = min(pop.ended for pop in own)
        for pop, taken in story.deliveries:
            if taken.receipt != settled.receipt and received < pop.began and pop.ended < call.began:
                detail = f"{call.kind} honoured after the message was leased again"
                yield Violation("not fenced", story.number, detail, pop, can_be_rollback=True)
                return


def leased_to_two(story: Story) -> Iterator[Violation]:
    """It was delivered again while its lease stood and nobody may have given it back."""
    for pop, taken in story.deliveries:
        lease_stands_until = pop.since + pop.lease_seconds - CLOCK_SECONDS
        given_back = min(
            (
                call.began
                for call, settled in story.settlements
                if settled.receipt == taken.receipt
                and call.kind != "extend"
                and (call.outcome is Outcome.UNKNOWN or settled.result in ("acked", "nacked"))
            ),
            default=float("inf"),
        )
        for other, again in story.deliveries:
            if (
                again.receipt != taken.receipt
                and pop.ended < other.began
                and other.ended < min(lease_stands_until, given_back)
            ):
                detail = f"delivered again after {other.ended - pop.began:.3f} s of a lease of {pop.lease_seconds} s"
                yield Violation("leased to two", story.number, detail, pop, can_be_rollback=True)
                return


RULES: tuple[Callable[[Story], Iterator[Violation]], ...] = (
    lost,
    from_nowhere,
    made_twice,
    came_back,
    honoured_twice,
    not_fenced,
    leased_to_two,
)


def half_batches(history: History, stories: dict[int, Story]) -> Iterator[Violation]:
    """Of a batch whose push is unknown some messages were seen and some were not."""
    unknown = {push.numbers: push for push in history.pushes if push.outcome is Outcome.UNKNOWN}
    answered = {push.numbers for push in history.pushes if push.outcome is Outcome.OK}
    for numbers, push in unknown.items():
        if numbers in answered:
            continue
        missing = [number for number in numbers if not stories[number].was_seen]
        if 0 < len(missing) < len(numbers):
            detail = f"{len(missing)} of a batch of {len(numbers)} from {numbers[0]} on were never seen"
            yield Violation("half a batch", missing[0], detail, push, can_be_rollback=True)


def out_of_order(history: History, stories: dict[int, Story]) -> Iterator[Violation]:
    """A message of a group came before its predecessor can have been settled, or a predecessor came after it."""
    groups: dict[tuple[str, str], set[int]] = defaultdict(set)
    for push in history.pushes:
        if push.group is not None:
            groups[push.queue, push.group].update(push.numbers)
    for numbers in groups.values():
        group = sorted((stories[number] for number in numbers), key=lambda story: (story.first_push, story.number))
        yield from _overtaken(group)
        yield from _left_behind(group)


def _overtaken(group: list[Story]) -> Iterator[Violation]:
    """`group` is in the order of pushes; those whose push is unknown may stand anywhere behind.

    One that nobody ever saw is lost, which is an error of its own, and holds up nobody.
    """
    before: Story | None = None
    for story in group:
        if story.deliveries and before is not None:
            first = min((pop for pop, _ in story.deliveries), key=_ended)
            if not before.may_be_gone(before=first.ended):
                detail = f"delivered before {before.number}, the one before it in its group, was settled"
                yield Violation("out of order", story.number, detail, first)
        if story.answered_push() is not None and story.was_seen:
            before = story


def _left_behind(group: list[Story]) -> Iterator[Violation]:
    follower: Pop | None = None  # of all behind, the one that was delivered first
    for story in reversed(group):
        if follower is not None and story.answered_push() is not None:
            for pop, _ in story.deliveries:
                if pop.began > follower.ended:
                    detail = "delivered after one behind it in its group was"
                    yield Violation("out of order", story.number, detail, follower, can_be_rollback=True)
                    break
        deliveries = [pop for pop, _ in story.deliveries]
        if deliveries:
            first = min(deliveries, key=_ended)
            follower = first if follower is None else min(follower, first, key=_ended)


def calls_out_of_bounds(history: History) -> Iterator[Violation]:
    """An answer that is a fault of ours, or none in time though the process that was asked did not stand still."""
    still = [(span.injected, span.whole) for span in history.spans if span.kind in STANDS_STILL]
    for call in history.calls():
        if call.status >= 500 and call.status != 503:
            yield Violation("answered 5xx", None, f"node {call.node} answered {call.status}", call)
        is_late = call.ended - call.began >= PATIENCE_SECONDS
        if is_late and not any(_overlaps(call, since, until) for since, until in still):
            detail = f"node {call.node} did not answer within {PATIENCE_SECONDS:.0f} s"
            yield Violation("hung", None, detail, call)


def _is_rollback(violation: Violation, history: History, *, durable: bool) -> bool:
    if violation.when is None or not violation.can_be_rollback or (durable and violation.rule in PROVEN):
        return False
    return any(
        span.can_roll_back and _overlaps(violation.when, span.injected - LAG_SECONDS, span.whole)
        for span in history.spans
    )


def _overlaps(call: Call, since: float, until: float) -> bool:
    return call.began <= until and call.ended >= since


def _began(call: Call) -> float:
    return call.began


def _ended(call: Call) -> float:
    return call.ended
