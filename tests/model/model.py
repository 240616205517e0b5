"""One queue as it should be: plain lists, a clock that it is told, and no hurry.

What Redis keeps lazily is lazy here, too, since callers see it: a delivery that used the last attempt is dead when its
lease ends and lies among the leases until a pop or a redrive comes by; dead letters are dropped when others are buried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.models import (
    FOREVER_MS,
    PRIORITIES,
    DeadFilter,
    DeadReason,
    GiveBack,
    MessageState,
    NewMessage,
    Operation,
    Priority,
    QueueSettings,
    QueueTotals,
    RequestKey,
    SettleStatus,
)
from tests.model.words import REASONS, Counts, Lease, Letter, Message, Popped, Pushed, Receipt, Record, Refused


@dataclass
class QueueModel:
    """Set `now_ms` before each call."""

    now_ms: int = 0
    exists: bool = False
    settings: QueueSettings = field(default_factory=QueueSettings)
    ready: dict[Priority, list[Message]] = field(default_factory=lambda: {each: [] for each in PRIORITIES})
    followers: dict[str, list[Message]] = field(default_factory=dict)
    occupied: set[str] = field(default_factory=set)
    paused_until_ms: dict[Operation, int] = field(default_factory=dict)
    delayed: list[tuple[int, Message]] = field(default_factory=list)
    leases: dict[int, Lease] = field(default_factory=dict)
    dead: list[Letter] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QueueTotals.__struct_fields__, 0))
    numbers: int = 0
    deliveries: int = 0
    pushed_under: dict[str, Record[NewMessage]] = field(default_factory=dict)
    requests: dict[RequestKey, Record[tuple[NewMessage, ...]]] = field(default_factory=dict)
    pops: dict[RequestKey, tuple[int, list[Receipt]]] = field(default_factory=dict)

    def configure(self, settings: QueueSettings) -> bool:
        """Whether that made the queue."""
        is_new, self.exists, self.settings = not self.exists, True, settings
        return is_new

    def push(self, messages: Sequence[NewMessage], key: RequestKey | None) -> Pushed:
        self._check_keys(messages)
        request = self.requests.get(key) if key else None
        if request and self.now_ms <= request.until_ms:
            if request.asked != tuple(messages):
                raise Refused("request key")
            return Pushed(request.numbers, 0)
        until_ms = self.now_ms + self.settings.dedup_window_ms
        numbers: list[int] = []
        fresh: dict[str, Record[NewMessage]] = {}
        arriving: list[tuple[int, Message]] = []
        for place, asked in enumerate(messages, 1):
            known = fresh.get(asked.key) or self._pushed_under(asked.key) if asked.key else None
            if known and known.asked != asked:
                raise Refused(f"key {place}")
            if known:
                numbers += known.numbers
                continue
            message = self._new(self.numbers + len(arriving) + 1, asked)
            numbers.append(message.number)
            arriving.append((asked.delay_ms, message))
            if asked.key:
                fresh[asked.key] = Record(asked, [message.number], until_ms)
        if arriving:
            self._check_not_paused("push")
            self._check_room(len(arriving), sum(len(message.body) for _, message in arriving))
        self.exists = True
        self.totals["pushed"] += len(arriving)
        self.numbers += len(arriving)
        self._add(arriving)
        self.pushed_under |= fresh
        if key:
            self.requests[key] = Record(tuple(messages), numbers, until_ms)
        return Pushed(numbers, len(arriving))

    def pop(self, limit: int, *, lease_ms: int | None, key: RequestKey | None, waits: bool) -> Popped:
        if key and (standing := self._standing(key)):
            earliest_ms = min(lease.ends_ms for lease in standing)
            return Popped([(lease.message, lease.receipt) for lease in standing], earliest_ms, None)
        paused_until_ms = self.paused_until_ms.get("pop", 0)
        if self.now_ms < paused_until_ms:
            is_known = waits and paused_until_ms < FOREVER_MS
            return Popped([], None, paused_until_ms - self.now_ms if is_known else None, is_paused=True)
        self._bury_the_spent()
        self._move_the_due()
        lease_ms = self.settings.lease_ms if lease_ms is None else lease_ms
        taken: list[Message] = []
        for priority in PRIORITIES:
            for lease in self._expired(priority):
                if len(taken) == limit:
                    break
                del self.leases[lease.message.number]
                self._take(lease.message, lease.ends_ms, taken, removes=not lease_ms)
            while self.ready[priority] and len(taken) < limit:
                self._take(self.ready[priority].pop(0), None, taken, removes=not lease_ms)
        self.totals["delivered"] += len(taken)
        self._drop_letters()
        if not taken:
            return Popped([], None, self._due_in_ms() if waits else None)
        if not lease_ms:
            return Popped([(message, None) for message in taken], None, None)
        receipts = [self._lease(message, self.now_ms + lease_ms) for message in taken]
        if key:
            self.pops[key] = (self.now_ms + lease_ms, receipts)
        return Popped(list(zip(taken, receipts, strict=True)), self.now_ms + lease_ms, None)

    def ack(self, receipts: Sequence[Receipt]) -> list[SettleStatus]:
        statuses: list[SettleStatus] = []
        for receipt in receipts:
            refusal = self._refusal(receipt)
            statuses.append(refusal or "acked")
            if not refusal:
                self._release(self.leases.pop(receipt.number).message)
                self.totals["acked"] += 1
        return statuses

    def nack(self, receipts: Sequence[Receipt], how: GiveBack, *, jitter: float) -> list[SettleStatus]:
        """`jitter`, from 0 to 1, chooses the half of a backoff that is not certain."""
        statuses: list[SettleStatus] = []
        returning: dict[Priority, list[Message]] = {each: [] for each in PRIORITIES}
        dying: list[Letter] = []
        for receipt in receipts:
            refusal = self._refusal(receipt)
            statuses.append(refusal or "nacked")
            if refusal:
                continue
            lease = self.leases.pop(receipt.number)
            self._run_since(lease)
            wait_ms = self._backoff_ms(lease.message.attempts, jitter) if how.delay_ms is None else how.delay_ms
            if how.dead or lease.is_last:
                reason: DeadReason = "rejected" if how.dead else "max-attempts"
                dying.append(Letter(self.now_ms, lease.message, reason, how.error))
                self._release(lease.message)
            elif wait_ms:
                self.delayed.append((self.now_ms + wait_ms, lease.message))
            else:
                returning[lease.message.asked.priority].append(self._started(lease.message, self.now_ms))
            self.totals["nacked"] += 1
        self.ready = {each: [*returning[each], *self.ready[each]] for each in PRIORITIES}
        self._bury(dying)
        if dying:
            self._drop_letters()
        return statuses

    def extend(self, receipts: Sequence[Receipt], lease_ms: int) -> list[SettleStatus]:
        statuses: list[SettleStatus] = []
        for receipt in receipts:
            refusal = self._refusal(receipt)
            statuses.append(refusal or "extended")
            if not refusal:
                self._run_since(self.leases[receipt.number])
                self.leases[receipt.number].ends_ms = self.now_ms + lease_ms
        return statuses

    def count(self) -> Counts:
        due = self._due()
        expired = [self._expired(priority) for priority in PRIORITIES]
        followers = sum(map(len, self.followers.values()))
        ready = followers + sum(map(len, self.ready.values())) + len(due) + sum(map(len, expired))
        running = sum(lease.ends_ms > self.now_ms for lease in self.leases.values())
        heads = [message for messages in self.ready.values() for message in messages[:1]]
        heads += [message for _, message in due[:1]]
        heads += [lease.message for leases in expired for lease in leases[:1]]
        return Counts(
            ready=ready,
            delayed=len(self.delayed) - len(due),
            leased=running,
            dead=len(self.letters()),
            bytes=sum(len(message.body) for message in self.all_messages()),
            oldest_age_ms=self.now_ms - min(message.pushed_at_ms for message in heads) if heads else None,
        )

    def letters(self, which: DeadFilter | None = None) -> list[Letter]:
        """All dead letters of a filter, wherever they lie, that are not too old to be kept; oldest death first."""
        which = which or DeadFilter()
        after_ms = max(which.after_ms or 0, self.now_ms - self.settings.dead_ttl_ms)
        return [
            letter
            for letter in sorted([*self.dead, *map(_letter_of, self._spent())], key=lambda letter: letter.order)
            if which.reason in {None, letter.reason}
            and after_ms < letter.died_at_ms
            and (which.before_ms is None or letter.died_at_ms < which.before_ms)
        ]

    def one(self, number: int, *, remove: bool) -> Letter | None:
        self._check_exists()
        letter = next((letter for letter in self.letters() if letter.message.number == number), None)
        if letter and remove:
            self._unbury(letter)
        return letter

    def redrive(self, which: DeadFilter, numbers: Sequence[int], limit: int) -> tuple[int, int]:
        """How many went back, and how many of those asked for are left. `numbers` come back in their own order."""
        self._check_exists()
        asked = self.letters(which)
        if numbers:
            by_number = {letter.message.number: letter for letter in asked}
            asked = [by_number[number] for number in dict.fromkeys(numbers) if number in by_number]
        for letter in asked[:limit]:
            self._unbury(letter)
            letter.message.attempts = 0
            letter.message.clock_ms = letter.message.ttl_ms
            self._join(letter.message)
        moved = len(asked[:limit])
        self.totals["redriven"] += moved
        return moved, len(asked) - moved

    def pause(self, operations: Sequence[Operation], until_ms: int) -> None:
        self._check_exists()
        for operation in operations:
            self.paused_until_ms[operation] = until_ms

    def purge(self, state: MessageState | None) -> int:
        """Removes what is in one state, or all; how many that were."""
        self._check_exists()
        counts = self.count()
        gone = {"ready": counts.ready, "delayed": counts.delayed, "leased": counts.leased, "dead": counts.dead}
        died = self.totals["died"]
        for each in ("ready", "delayed", "leased", "dead") if state is None else (state,):
            getattr(self, f"_purge_{each}")()
        if state is None:  # at once, and nobody looks at what it was
            self.totals["died"] = died
        total = sum(gone.values()) if state is None else gone[state]
        self.totals["purged"] += total
        return total

    def delete(self) -> QueueModel:
        """The queue that is there after this one: none."""
        self._check_exists()
        return QueueModel(now_ms=self.now_ms, numbers=self.numbers, deliveries=self.deliveries)

    def all_messages(self) -> Iterable[Message]:
        """Every message that the queue holds, those among them that are too old to be shown."""
        for messages in (*self.ready.values(), *self.followers.values()):
            yield from messages
        yield from (message for _, message in self.delayed)
        yield from (lease.message for lease in self.leases.values())
        yield from (letter.message for letter in self.dead)

    def next_change_ms(self) -> int | None:
        """When the next delay, lease, record or dead letter ends by itself."""
        times = [due_ms for due_ms, _ in self.delayed]
        times += [lease.ends_ms for lease in self.leases.values()]
        times += [record.until_ms for record in self.pushed_under.values()]
        times += [record.until_ms for record in self.requests.values()]
        times += [until_ms for until_ms, _ in self.pops.values()]
        times += [letter.died_at_ms + self.settings.dead_ttl_ms for letter in self.dead]
        times += [message.clock_ms for each in self.ready.values() for message in each if message.clock_ms is not None]
        times += [until_ms for until_ms in self.paused_until_ms.values() if until_ms < FOREVER_MS]
        return min((time_ms for time_ms in times if time_ms > self.now_ms), default=None)

    def _check_keys(self, messages: Sequence[NewMessage]) -> None:
        by_key: dict[str, NewMessage] = {}
        for place, asked in enumerate(messages, 1):
            if asked.key and by_key.setdefault(asked.key, asked) != asked:
                raise Refused(f"key {place}")

    def _new(self, number: int, asked: NewMessage) -> Message:
        ttl_ms = self.settings.ttl_ms if asked.ttl_ms is None else asked.ttl_ms
        return Message(number, asked, pushed_at_ms=self.now_ms, ttl_ms=ttl_ms, clock_ms=ttl_ms)

    def _add(self, arriving: list[tuple[int, Message]]) -> None:
        for delay_ms, message in arriving:
            if delay_ms:
                self.delayed.append((self.now_ms + delay_ms, message))
            else:
                self._join(message)

    def _check_not_paused(self, operation: Operation) -> None:
        if self.now_ms < self.paused_until_ms.get(operation, 0):
            raise Refused("paused")

    def _pushed_under(self, key: str) -> Record[NewMessage] | None:
        record = self.pushed_under.get(key)
        return record if record and self.now_ms <= record.until_ms else None

    def _check_room(self, messages: int, size: int) -> None:
        counts, settings = self.count(), self.settings
        alive = counts.ready + counts.delayed + counts.leased
        if settings.max_messages is not None and alive + messages > settings.max_messages:
            raise Refused("max_messages")
        if settings.max_bytes is not None and counts.bytes + size > settings.max_bytes:
            raise Refused("max_bytes")

    def _check_exists(self) -> None:
        if not self.exists:
            raise Refused("queue not found")

    def _standing(self, key: RequestKey) -> list[Lease]:
        """What an earlier pop under `key` leased, as far as the leases still run."""
        until_ms, receipts = self.pops.get(key, (0, []))
        if self.now_ms > until_ms:
            return []
        leases = [self.leases[receipt.number] for receipt in receipts if not self._refusal(receipt)]
        return [lease for lease in leases if lease.ends_ms > self.now_ms]

    def _lease(self, message: Message, ends_ms: int) -> Receipt:
        self.deliveries += 1
        receipt = Receipt(message.number, self.deliveries)
        is_last = message.attempts >= self.settings.max_attempts
        self.leases[message.number] = Lease(message, receipt, ends_ms, is_last)
        return receipt

    def _refusal(self, receipt: Receipt) -> SettleStatus | None:
        lease = self.leases.get(receipt.number)
        if lease is None or (lease.is_last and lease.ends_ms <= self.now_ms):
            return "message-not-found"
        return None if lease.receipt == receipt else "lease-lost"

    def _backoff_ms(self, attempt: int, jitter: float) -> int:
        settings = self.settings
        longest_ms = min(settings.backoff_max_ms, settings.backoff_base_ms * settings.backoff_factor ** (attempt - 1))
        return int(longest_ms * (1 + jitter) / 2)

    def _due(self) -> list[tuple[int, Message]]:
        due = [(due_ms, message) for due_ms, message in self.delayed if due_ms <= self.now_ms]
        return sorted(due, key=lambda pair: (pair[0], pair[1].number))

    def _move_the_due(self) -> None:
        for due_ms, message in self._due():
            self.ready[message.asked.priority].append(self._started(message, due_ms))
        self.delayed = [(due_ms, message) for due_ms, message in self.delayed if due_ms > self.now_ms]

    def _started(self, message: Message, since_ms: int) -> Message:
        """`message` as one that can be taken from then on."""
        if message.clock_ms is not None:
            message.clock_ms += since_ms
        return message

    def _run_since(self, lease: Lease) -> None:
        """The time to live ran from when the lease ended, if it did."""
        if lease.message.clock_ms is not None:
            lease.message.clock_ms = max(0, lease.message.clock_ms - max(0, self.now_ms - lease.ends_ms))

    def _take(self, message: Message, ended_ms: int | None, taken: list[Message], *, removes: bool) -> None:
        """Delivers `message`, from its list or after a lease that ended; or buries it if its time is over."""
        if message.clock_ms is not None:
            left_ms = message.clock_ms - (self.now_ms if ended_ms is None else self.now_ms - ended_ms)
            if left_ms <= 0:
                message.clock_ms = 0
                self._bury([Letter(self.now_ms + left_ms, message, "expired", "")])
                self._release(message)
                return
            message.clock_ms = left_ms
        message.attempts += 1
        taken.append(message)
        if removes:
            self._release(message)

    def _join(self, message: Message) -> None:
        """Puts it at the tail: behind its group, or of its list."""
        if message.group in self.occupied:
            self.followers.setdefault(str(message.group), []).append(message)
            return
        if message.group is not None:
            self.occupied.add(message.group)
        self.ready[message.asked.priority].append(self._started(message, self.now_ms))

    def _release(self, message: Message) -> None:
        """`message` is gone: the next of its group comes."""
        if message.group is None:
            return
        followers = self.followers.get(message.group)
        if followers:
            self.ready["normal"].append(self._started(followers.pop(0), self.now_ms))
        else:
            self.occupied.remove(message.group)

    def _purge_ready(self) -> None:
        self.followers = {}
        gone = [message for messages in self.ready.values() for message in messages]
        gone += [message for _, message in self._due()]
        gone += [lease.message for priority in PRIORITIES for lease in self._expired(priority)]
        self.ready = {each: [] for each in PRIORITIES}
        self.delayed = [pair for pair in self.delayed if pair[0] > self.now_ms]
        for message in gone:
            self.leases.pop(message.number, None)
            self._release(message)

    def _purge_delayed(self) -> None:
        gone = sorted(pair for pair in self._ordered_delayed() if pair[0] > self.now_ms)
        self.delayed = self._due()
        for _, _, message in gone:
            self._release(message)

    def _ordered_delayed(self) -> list[tuple[int, int, Message]]:
        return [(due_ms, message.number, message) for due_ms, message in self.delayed]

    def _purge_leased(self) -> None:
        running = [lease for lease in self.leases.values() if lease.ends_ms > self.now_ms]
        for lease in sorted(running, key=self._place_of):
            del self.leases[lease.message.number]
            self._release(lease.message)

    def _place_of(self, lease: Lease) -> tuple[int, int, int]:
        place = 3 if lease.is_last else PRIORITIES.index(lease.message.asked.priority)
        return place, lease.ends_ms, lease.message.number

    def _purge_dead(self) -> None:
        self.dead = []
        for lease in self._spent():
            self.totals["died"] += 1
            del self.leases[lease.message.number]
            self._release(lease.message)

    def _due_in_ms(self) -> int | None:
        times = [due_ms for due_ms, _ in self.delayed]
        times += [lease.ends_ms for lease in self.leases.values() if not lease.is_last]
        return min(times) - self.now_ms if times else None

    def _ended(self, *, is_last: bool) -> list[Lease]:
        ended = [x for x in self.leases.values() if x.is_last == is_last and x.ends_ms <= self.now_ms]
        return sorted(ended, key=lambda lease: (lease.ends_ms, lease.message.number))

    def _expired(self, priority: Priority) -> list[Lease]:
        """Leases of `priority` that ran out and will be repeated."""
        return [lease for lease in self._ended(is_last=False) if lease.message.asked.priority == priority]

    def _spent(self) -> list[Lease]:
        """Leases that ran out and were the last: dead letters that nobody moved yet."""
        return self._ended(is_last=True)

    def _bury_the_spent(self) -> None:
        spent = self._spent()
        for lease in spent:
            del self.leases[lease.message.number]
            self._release(lease.message)
        self._bury(list(map(_letter_of, spent)))

    def _bury(self, letters: list[Letter]) -> None:
        self.totals["died"] += len(letters)
        both = [*self.dead, *letters]
        self.dead = sorted(both, key=lambda x: (x.died_at_ms, REASONS.index(x.reason), x.message.number))

    def _drop_letters(self) -> None:
        """Drops what is too old, then the oldest of what is too much."""
        kept = [letter for letter in self.dead if letter.died_at_ms > self.now_ms - self.settings.dead_ttl_ms]
        kept = kept[max(0, len(kept) - self.settings.dead_max_messages) :]
        self.totals["dead_dropped"] += len(self.dead) - len(kept)
        self.dead = kept

    def _unbury(self, letter: Letter) -> None:
        if letter in self.dead:
            self.dead.remove(letter)
        else:
            self._release(self.leases.pop(letter.message.number).message)
            self.totals["died"] += 1


def _letter_of(lease: Lease) -> Letter:
    return Letter(lease.ends_ms, lease.message, "max-attempts", "")
