"""Does the same to a queue in Redis and to its model, and compares what both answer and what both hold then.

No draw depends on what the queue holds: under a real clock that is not the same twice, and hypothesis replays.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.errors import IdempotencyKeyReused, Invalid, QueueFull, QueueNotFound, QueuePaused
from app.models import (
    FOREVER_MS,
    Counts,
    DeadFilter,
    DeadLetter,
    GiveBack,
    MessageState,
    NewMessage,
    Operation,
    Pauses,
    Priority,
    QueueSettings,
    QueueTotals,
    Receipt,
    RequestKey,
    SettleStatus,
)
from app.storage.lines import Servers
from app.storage.redis_dead_letters import RedisDeadLetterStore
from tests.model import words
from tests.model.draws import (
    BODY,
    BOUND,
    LIMIT,
    MESSAGE,
    OF_A_GROUP,
    OPERATIONS,
    PICK,
    PICKS,
    PRIORITY,
    REASON,
    REQUEST_KEY,
    SETTINGS,
    STATE,
    TIME,
    TIME_AHEAD,
)
from tests.model.holdings import PREFIX, QUEUE, Sight, as_delivered, as_lettered, held_by_model
from tests.model.model import QueueModel
from tests.model.report import Report
from tests.model.words import Letter, Refused
from tests.model.world import ClockTicked, World
from tests.stores import queue_catalog, queue_store

STEPS_PER_EXAMPLE = 50
EXAMPLES_PER_ROUND = 10
LOW_STOCK = 3
NOBODY = UUID(int=7)

Answer = TypeVar("Answer")


def step(act: Callable[..., None]) -> Callable[..., None]:
    """Counts the steps, and does nothing for the rest of an example in which the time of one is not known."""

    @functools.wraps(act)
    def counted(machine: QueueMachine, **drawn: Any) -> None:
        if not machine.is_cut:
            machine.report.made[act.__name__] += 1
        compared(act)(machine, **drawn)

    return counted


def compared(act: Callable[..., None]) -> Callable[..., None]:
    """The same, without counting."""

    @functools.wraps(act)
    def guarded(machine: QueueMachine, **drawn: Any) -> None:
        if machine.is_cut:
            return
        try:
            act(machine, **drawn)
        except ClockTicked:
            machine.is_cut = True
            machine.report.cuts += 1
        except Exception:
            machine.report.failed_after = machine.report.failed_after or machine.report.steps
            raise

    return guarded


class QueueMachine(RuleBasedStateMachine):
    """One queue and its model; `world` and `report` belong to all examples of a run."""

    world: ClassVar[World]
    report: ClassVar[Report]

    def __init__(self) -> None:
        super().__init__()
        self.client = self.world.client
        self.world.admin.flushall()
        timed = cast("Servers", self.client)
        self.queues = queue_store(self.client, servers=timed)
        self.catalog = queue_catalog(self.client, servers=timed)
        self.dead_letters = RedisDeadLetterStore(self.client, prefix=PREFIX)
        self.model = QueueModel()
        self.numbers: dict[str, int] = {}
        self.sight = Sight(self.numbers)
        self.receipts: dict[str, words.Receipt] = {}
        self.last_push: tuple[list[NewMessage], RequestKey | None] = ([NewMessage(b"{}", key="c")], None)
        self.is_cut = False

    @initialize(drawn=st.one_of(st.none(), SETTINGS), bodies=st.lists(BODY, max_size=6))
    @step
    def make(self, drawn: dict[str, Any] | None, bodies: list[bytes]) -> None:
        if drawn is not None:
            self._configure(drawn)
        if bodies:
            self._push([NewMessage(body) for body in bodies], None)

    @rule(drawn=SETTINGS)
    @step
    def configure(self, drawn: dict[str, Any]) -> None:
        self._configure(drawn)

    # hypothesis leaves out some rules of each example; pushes and pops have several, so that few examples are empty.
    @rule(drawn=st.lists(MESSAGE, min_size=1, max_size=4), key=REQUEST_KEY)
    @step
    def push(self, drawn: list[dict[str, Any]], key: RequestKey | None) -> None:
        messages = [NewMessage(**self._timed(each)) for each in drawn]
        self.last_push = (messages, key)
        self._push(messages, key)

    @rule(drawn=st.lists(OF_A_GROUP, min_size=1, max_size=4))
    @step
    def push_groups(self, drawn: list[dict[str, Any]]) -> None:
        self._push([NewMessage(**self._timed(each)) for each in drawn], None)

    @rule(more=st.lists(BODY, max_size=1))
    @step
    def push_again(self, more: list[bytes]) -> None:
        messages, key = self.last_push
        self._push([*messages, *map(NewMessage, more)], key)

    @rule(drawn=st.lists(st.tuples(BODY, PRIORITY), min_size=1, max_size=4))
    @step
    def push_plainly(self, drawn: list[tuple[bytes, Priority]]) -> None:
        self._push([NewMessage(body, priority=priority) for body, priority in drawn], None)

    @rule(body=BODY, ttl=TIME_AHEAD, delay=st.one_of(st.just((0, 0)), TIME))
    @step
    def push_briefly(self, body: bytes, ttl: tuple[int, int], delay: tuple[int, int]) -> None:
        self._push([NewMessage(body, ttl_ms=self._ms(ttl), delay_ms=self._ms(delay))], None)

    @rule(operations=OPERATIONS, until=st.one_of(st.none(), TIME_AHEAD), goes_on=st.sampled_from([True, True, False]))
    @step
    def pause(self, operations: tuple[Operation, ...], until: tuple[int, int] | None, goes_on: bool) -> None:
        until_ms = FOREVER_MS if until is None else self.client.now_ms + self._ms(until)
        self._pause(operations, until_ms)
        if goes_on:
            self._pop(1, None, None)
            self._push([NewMessage(b"1")], None)
            self._pause(operations, 0)

    @rule(operations=OPERATIONS)
    @step
    def resume(self, operations: tuple[Operation, ...]) -> None:
        self._pause(operations, 0)

    @rule(state=STATE)
    @step
    def purge(self, state: MessageState | None) -> None:
        answer = self._served(lambda: self.catalog.purge(QUEUE, state))
        expected = self._modelled(lambda: self.model.purge(state))
        if isinstance(answer, str):
            assert answer == expected
        else:
            assert (answer.gone, answer.remaining) == (expected, 0)
            self._meet(f"purged {state or 'all'}", answer.gone > 0)

    @rule(really=st.sampled_from([False, False, False, True]))
    @step
    def delete(self, really: bool) -> None:
        if really:
            answer = self._served(lambda: self.catalog.delete(QUEUE))
            successor = self._modelled(self.model.delete)
            if isinstance(successor, str):
                assert answer == successor
            else:
                self.model = successor
                self._meet("deleted")

    @rule(body=BODY, delay=TIME)
    @step
    def push_later(self, body: bytes, delay: tuple[int, int]) -> None:
        self._push([NewMessage(body, delay_ms=self._ms(delay))], None)

    @rule(limit=LIMIT, lease=st.one_of(st.none(), TIME, TIME_AHEAD), key=REQUEST_KEY, waits=st.booleans())
    @step
    def pop(self, limit: int, lease: tuple[int, int] | None, key: RequestKey | None, waits: bool) -> None:
        lease_ms = None if lease is None else self._ms(lease)
        self._pop(limit, lease_ms, None if lease_ms == 0 else key, waits=waits)

    @rule(limit=LIMIT)
    @step
    def borrow(self, limit: int) -> None:
        self._pop(limit, None, None)

    @rule(lease=TIME_AHEAD)
    @step
    def borrow_one(self, lease: tuple[int, int]) -> None:
        self._pop(1, self._ms(lease), None)

    @rule(picks=PICKS)
    @step
    def ack(self, picks: list[int]) -> None:
        self._settle(picks, lambda held: self.queues.ack(QUEUE, held), self.model.ack)

    @rule(picks=PICKS, delay=st.one_of(st.none(), st.just((0, 0)), TIME), dead=st.sampled_from([False, False, True]))
    @step
    def nack(self, picks: list[int], delay: tuple[int, int] | None, dead: bool) -> None:
        how = GiveBack(None if delay is None else self._ms(delay), dead, "no – not now" if len(picks) > 1 else "")
        jitter = 0.0

        def nack(held: list[Receipt]) -> list[SettleStatus]:
            nonlocal jitter
            jitter = _next_random()  # only now: what is pushed before draws as well
            return self.queues.nack(QUEUE, held, how)

        self._settle(picks, nack, lambda held: self.model.nack(held, how, jitter=jitter))

    @rule(picks=PICKS, lease=TIME_AHEAD)
    @step
    def extend(self, picks: list[int], lease: tuple[int, int]) -> None:
        lease_ms = self._ms(lease)

        def extend(held: list[Receipt]) -> list[SettleStatus]:
            answer = self.queues.extend(QUEUE, held, lease_ms=lease_ms)
            assert answer.lease_expires_at_ms == self.client.now_ms + lease_ms
            return answer.statuses

        self._settle(picks, extend, lambda held: self.model.extend(held, lease_ms))

    @rule(reason=REASON, after=BOUND, before=BOUND, limit=LIMIT, cursor=PICK)
    @step
    def page(self, reason: str | None, after: int | None, before: int | None, limit: int, cursor: int) -> None:
        self._stock_letters()
        which, passed = self._filter(reason, after, before), self._letter_at(cursor)
        start = (passed.died_at_ms, self._id(passed.message.number)) if passed and cursor % 4 == 3 else None
        answer = self._served(lambda: self.dead_letters.page(QUEUE, which, limit=limit, cursor=start))
        letters = self._modelled(lambda: self._letters_beyond(which, passed if start else None))
        if isinstance(answer, str) or isinstance(letters, str):
            assert answer == letters
            self._meet(str(answer))
            return
        assert [self.sight.lettered(each) for each in answer.letters] == [as_lettered(each) for each in letters[:limit]]
        assert answer.has_more == (len(letters) > limit)
        self._meet("more letters", answer.has_more)
        for letter in answer.letters:
            self._meet(f"letter {letter.reason}")

    @rule(pick=PICK, remove=st.booleans())
    @step
    def one(self, pick: int, remove: bool) -> None:
        self._stock_letters()
        number = self._any_number(pick)
        answer = self._served(lambda: self.dead_letters.one(QUEUE, self._id(number), remove=remove))
        expected = self._modelled(lambda: self.model.one(number, remove=remove))
        if isinstance(answer, DeadLetter) and isinstance(expected, Letter):
            assert self.sight.lettered(answer) == as_lettered(expected)
            self._meet("letter taken away", remove)
        else:
            assert answer == expected
            self._meet(str(answer), answer is not None)

    @rule(reason=REASON, after=BOUND, before=BOUND, limit=LIMIT)
    @step
    def redrive(self, reason: str | None, after: int | None, before: int | None, limit: int) -> None:
        self._stock_letters()
        self._redrive(self._filter(reason, after, before), [], limit)

    @rule(picks=PICKS, limit=LIMIT)
    @step
    def redrive_by_id(self, picks: list[int], limit: int) -> None:
        self._stock_letters()
        self._redrive(DeadFilter(), [self._any_number(pick) for pick in picks], limit)

    @rule(drawn=st.one_of(TIME, st.just((30, 0))))
    @step
    def let_time_pass(self, drawn: tuple[int, int]) -> None:
        self.world.clock.advance(self._ms(drawn) % (8 * self.world.unit_ms + 3))

    @rule(off_by_ms=st.sampled_from([-1, 0, 0, 1]))
    @step
    def let_the_next_time_come(self, off_by_ms: int) -> None:
        change_ms = self.model.next_change_ms()
        wait_ms = 0 if change_ms is None else change_ms - self.model.now_ms + off_by_ms
        self.world.clock.advance(max(0, min(wait_ms, 8 * self.world.unit_ms)))

    @invariant()
    @compared
    def both_count_the_same(self) -> None:
        counts = self.queues.count(QUEUE)
        self.model.now_ms = self.client.now_ms
        assert counts == Counts(*self.model.count())
        self._meet("dead letters too old to be shown", len(self.model.dead) > counts.dead)
        self._meet("spent deliveries", bool(self.model._spent()))
        self._meet("letter expired", any(letter.reason == "expired" for letter in self.model.dead))

    @invariant()
    @compared
    def both_hold_the_same(self) -> None:
        held = self.sight.held_by_redis(self.world.admin)
        assert held == held_by_model(self.model)

    @invariant()
    @compared
    def both_describe_the_same(self) -> None:
        described = self._served(lambda: self.catalog.describe(QUEUE))
        self.model.now_ms = self.client.now_ms
        if isinstance(described, str):
            assert (described, self.model.exists) == ("queue not found", False)
            return
        assert described.settings == self.model.settings
        assert described.totals == QueueTotals(**self.model.totals)
        assert described.counts == Counts(*self.model.count())
        ends = [self.model.paused_until_ms.get(each, 0) for each in ("push", "pop")]
        assert described.pauses == Pauses(*(end if end > self.model.now_ms else None for end in ends))
        times = [due_ms for due_ms, _ in self.model.delayed] + [each.ends_ms for each in self.model.leases.values()]
        assert described.next_due_at_ms == min((each for each in times if each > self.model.now_ms), default=None)

    def _configure(self, drawn: dict[str, Any]) -> None:
        chosen_settings = QueueSettings(**self._timed(drawn))
        made = self.catalog.configure(QUEUE, chosen_settings)
        assert made.is_new == self._modelled(lambda: self.model.configure(chosen_settings))
        assert made.totals == QueueTotals(**self.model.totals)

    def _push(self, messages: list[NewMessage], key: RequestKey | None) -> None:
        answer = self._served(lambda: self.queues.push(QUEUE, messages, key))
        expected = self._modelled(lambda: self.model.push(messages, key))
        if isinstance(answer, str) or isinstance(expected, str):
            assert answer == expected
            self._meet("pushed while paused" if answer == "paused" else str(answer))
            return
        assert answer.new == expected.new
        self._meet("push replayed", answer.new < len(answer.ids))
        for message_id, number in zip(answer.ids, expected.numbers, strict=True):
            assert self.numbers.setdefault(message_id, number) == number
        assert len(self.numbers) == self.model.numbers

    def _pause(self, operations: tuple[Operation, ...], until_ms: int) -> None:
        answer = self._served(lambda: self.catalog.pause(QUEUE, operations, until_ms=until_ms))
        if answer == "invalid":  # its time was over before it began
            assert until_ms <= self.client.now_ms
            return
        expected = self._modelled(lambda: self.model.pause(operations, until_ms))
        assert isinstance(answer, Pauses) or answer == expected

    def _pop(self, limit: int, lease_ms: int | None, key: RequestKey | None, *, waits: bool = False) -> None:
        self._stock()
        answer = self._served(
            lambda: self.queues.pop(QUEUE, limit=limit, lease_ms=lease_ms, key=key, waiters=int(waits))
        )
        expected = self._modelled(lambda: self.model.pop(limit, lease_ms=lease_ms, key=key, waits=waits))
        assert not isinstance(answer, str)
        assert not isinstance(expected, str)
        assert [self.sight.delivered(each) for each in answer.deliveries] == [
            as_delivered(each) for each, _ in expected.taken
        ]
        assert answer.lease_expires_at_ms == expected[1]
        assert answer.is_paused == expected.is_paused
        self._meet("queue paused", answer.is_paused)
        self._meet("a group blocked", not answer.deliveries and any(self.model.followers.values()))
        # It may be told to look too early, since a lease that was settled may be why; never too late.
        assert expected[2] is None or (answer.due_in_ms is not None and 1 <= answer.due_in_ms <= expected[2])
        self._meet("told when the next falls due", answer.due_in_ms is not None)
        for delivery, (_, receipt) in zip(answer.deliveries, expected.taken, strict=True):
            self._meet("delivered again" if delivery.attempt > 1 else "delivered")
            self._meet("pop replayed", delivery.receipt in self.receipts)
            self._remember(delivery.receipt, receipt)

    def _stock(self) -> None:
        """Lets most steps meet something, whatever rules hypothesis leaves out of an example."""
        if self.model.totals["pushed"] and len(list(self.model.all_messages())) < LOW_STOCK:
            self._push([NewMessage(b"%d" % place) for place in range(LOW_STOCK)], None)

    def _stock_letters(self) -> None:
        if len(self.model.letters()) < LOW_STOCK and self.model.totals["pushed"]:
            how = GiveBack(delay_ms=0, dead=self.model.deliveries % 2 == 1)
            self._settle(
                [0, 1],
                lambda held: self.queues.nack(QUEUE, held, how),
                lambda held: self.model.nack(held, how, jitter=0),
            )

    def _settle(
        self,
        picks: list[int],
        server: Callable[[list[Receipt]], list[SettleStatus]],
        modelled: Callable[[list[words.Receipt]], list[SettleStatus]],
    ) -> None:
        if not self.model.leases:
            self._stock()
            self._pop(3, None, None)
        if not self.receipts:
            return
        chosen = [self._receipt_at(pick) for pick in picks]
        receipts = [receipt for receipt in (Receipt.parse(text) for text, _ in chosen) if receipt]
        answer = self._served(lambda: server(receipts))
        expected = self._modelled(lambda: modelled([each for _, each in chosen]))
        assert answer == expected
        for status in expected:
            self._meet(status)
        self._meet("letters dropped", self.model.totals["dead_dropped"] > 0)

    def _receipt_at(self, pick: int) -> tuple[str, words.Receipt]:
        """Mostly one that holds something; else any."""
        known = list(self.receipts.items())
        standing = [pair for pair in known if not self.model._refusal(pair[1])]
        chosen = standing if standing and pick % 4 else known
        return chosen[-1 - pick % len(chosen)]

    def _redrive(self, which: DeadFilter, numbers: list[int], limit: int) -> None:
        ids = [self._id(number) for number in numbers]
        answer = self._served(lambda: self.dead_letters.redrive(QUEUE, which, ids, limit=limit))
        expected = self._modelled(lambda: self.model.redrive(which, numbers, limit))
        if isinstance(answer, str):
            assert answer == expected
            self._meet(answer)
        else:
            assert (answer.moved, answer.remaining) == expected
            assert answer.now_ms == self.client.now_ms
            self._meet("redriven", answer.moved > 0)
            self._meet("some left to redrive", answer.remaining > 0)

    def _meet(self, what: str, happened: bool = True) -> None:
        if happened:
            self.report.met[what] += 1

    def _served(self, call: Callable[[], Answer]) -> Answer | str:
        """What the server answers, or in a word why it refuses."""
        try:
            return call()
        except QueueNotFound:
            return "queue not found"
        except (QueuePaused, Invalid) as error:
            return "paused" if isinstance(error, QueuePaused) else "invalid"
        except QueueFull as error:
            return "max_messages" if "max_messages" in error.detail else "max_bytes"
        except IdempotencyKeyReused as error:
            if not error.faults:
                return "request key"
            pointer = str(error.faults[0].pointer).split("/")
            return f"key {int(pointer[2]) + 1}" if len(pointer) > 2 else "key 1"

    def _modelled(self, call: Callable[[], Answer]) -> Answer | str:
        """What the model answers at the time of the server's answer, or in a word why it refuses."""
        self.model.now_ms = self.client.now_ms
        try:
            return call()
        except Refused as refused:
            return refused.what

    def _timed(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """What was drawn, with its times in ms."""
        return {name: self._ms(value) if isinstance(value, tuple) else value for name, value in drawn.items()}

    def _ms(self, drawn: tuple[int, int]) -> int:
        units, extra_ms = drawn
        return max(0, units * self.world.unit_ms + extra_ms)

    def _filter(self, reason: Any, after: int | None, before: int | None) -> DeadFilter:
        """`after` and `before` are ms from a death of the model."""
        deaths = [letter.died_at_ms for letter in self.model.letters()]
        if not deaths:
            return DeadFilter(reason)
        middle_ms = deaths[len(deaths) // 2]
        after_ms, before_ms = (None if bound is None else middle_ms + bound for bound in (after, before))
        return DeadFilter(reason, after_ms, before_ms)

    def _letter_at(self, pick: int) -> Letter | None:
        letters = self.model.letters()
        return letters[pick % len(letters)] if letters else None

    def _letters_beyond(self, which: DeadFilter, passed: Letter | None) -> list[Letter]:
        self.model._check_exists()
        return [letter for letter in self.model.letters(which) if passed is None or letter.order > passed.order]

    def _any_number(self, pick: int) -> int:
        """Mostly a dead letter's; else that of any message, or of none."""
        letter = self._letter_at(pick)
        return letter.message.number if letter and pick % 5 else pick % (self.model.numbers + 1)

    def _id(self, number: int) -> UUID:
        return next((UUID(message_id) for message_id, known in self.numbers.items() if known == number), NOBODY)

    def _remember(self, text: str | None, receipt: words.Receipt | None) -> None:
        assert (text is None) == (receipt is None)
        if text is None or receipt is None:
            return
        is_new = receipt not in self.receipts.values()
        assert (text not in self.receipts) == is_new
        assert self.receipts.setdefault(text, receipt) == receipt


def run(world: World, *, steps: int, seed_number: int, shrinks: bool) -> Report:
    """Drives examples against `world` until so many steps were made. A failure names its seed.

    `shrinks`: whether a failure is reduced to few steps, for which its time must be repeatable.
    """
    phases = [Phase.generate, Phase.shrink] if shrinks else [Phase.generate]
    how = settings(
        max_examples=EXAMPLES_PER_ROUND,
        stateful_step_count=min(STEPS_PER_EXAMPLE, steps),
        phases=phases,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    report = Report()
    while report.steps < steps:
        machine = type("Queue", (QueueMachine,), {"world": world, "report": report})
        try:
            run_state_machine_as_test(seed(seed_number)(machine), settings=how)
        except Exception as error:
            error.add_note(
                f"Seed {seed_number}: the model and the queue first differed after {report.failed_after} steps."
            )
            raise
        seed_number += 1
    return report


def _next_random() -> float:
    """What `random.random` will give to the one who asks next."""
    state = random.getstate()
    drawn = random.random()
    random.setstate(state)
    return drawn
