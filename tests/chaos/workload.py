"""Producers and consumers over HTTP, which write down what they send and what is answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from tests.chaos.checker import PATIENCE_SECONDS
from tests.chaos.record import History, Letter, Numbers, Outcome, Pop, Push, Settled, Settlement, Taken
from tests.service import Service

PRODUCERS, GROUP_PRODUCERS, CONSUMERS = 5, 2, 10
LARGEST_BATCH, LARGEST_OF_A_GROUP = 150, 10
LEASES_SECONDS = (2, 4)
REPEATS_WITHIN_SECONDS = 60.0
STUCK_SECONDS = 60.0  # without a delivery: longer than any lease or delay
GROUPS_EACH, GROUPS_SHARE = 40, 0.15  # of a group one message at a time is delivered, so their part is small
CATCHES_UP_SECONDS = 10.0  # of the time that a producer could not push
PAUSE_AFTER_FAILURE_SECONDS = 0.05
SAYS_NOT_WHEN = 599  # in the place of a 503 without Retry-After, so that the checker takes it for the fault that it is
NOT_DONE = frozenset({"store-full"})  # a 503 that says that nothing was written
SETTINGS = {"max_attempts": 30, "backoff": {"base": 0, "max": 1}, "dead_max_messages": 1_000_000}
FEW_ATTEMPTS = {**SETTINGS, "max_attempts": 3}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: no status where nothing did."""

    outcome: Outcome
    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What the load is sent to. A node's address changes when it is started again."""

    nodes: Sequence[Service]
    queues: Sequence[str]
    headers: dict[str, str]
    is_durable: bool

    @property
    def durable_headers(self) -> dict[str, str]:
        return self.headers | ({"Prefer": "durable"} if self.is_durable else {})


class Client:
    """Calls a node and never sends anything twice by itself."""

    def __init__(self, target: Target, history: History, chance: random.Random) -> None:
        self.target = target
        self.history = history
        self.chance = chance
        self._http = httpx.Client(timeout=PATIENCE_SECONDS, headers=target.headers)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def any_node(self) -> int:
        return self.chance.randrange(len(self.target.nodes))

    def post(self, node: int, path: str, json: object, headers: dict[str, str] | None = None) -> Answer:
        try:
            answer = self._http.post(f"{self.target.nodes[node].url}{path}", json=json, headers=headers)
        except httpx.ConnectError:
            return Answer(Outcome.REFUSED, 0, {})  # nothing was sent
        except httpx.TransportError:
            return Answer(Outcome.UNKNOWN, 0, {})
        says_when = answer.status_code != 503 or "Retry-After" in answer.headers
        return Answer(_outcome_of(answer), answer.status_code if says_when else SAYS_NOT_WHEN, answer.json())

    def push(
        self, node: int, queue: str, numbers: tuple[int, ...], *, group: str | None = None, key: str | None = None
    ) -> Outcome:
        items = [{"message": number} | ({} if group is None else {"group": group}) for number in numbers]
        headers = self.target.durable_headers | ({} if key is None else {"Idempotency-Key": key})
        body = items[0] if len(items) == 1 else {"messages": items}
        began = time.monotonic()
        answer = self.post(node, f"/queues/{queue}/push", body, headers)
        ids: tuple[str, ...] = ()
        if answer.outcome is Outcome.OK:
            ids = tuple(answer.body["ids"]) if "ids" in answer.body else (answer.body["id"],)
        self.history.add(
            Push(
                began=began,
                ended=time.monotonic(),
                outcome=answer.outcome,
                status=answer.status,
                node=node,
                queue=queue,
                numbers=numbers,
                ids=ids,
                group=group,
                key=key,
            )
        )
        return answer.outcome

    def pop(
        self, node: int, queue: str, options: dict[str, Any], *, key: str | None = None, since: float | None = None
    ) -> Pop:
        headers = {} if key is None else {"Idempotency-Key": key}
        began = time.monotonic()
        answer = self.post(node, f"/queues/{queue}/pop", options, headers)
        found = answer.body.get("messages", [answer.body]) if answer.outcome is Outcome.OK else []
        pop = Pop(
            began=began,
            ended=time.monotonic(),
            outcome=answer.outcome,
            status=answer.status,
            node=node,
            queue=queue,
            lease_seconds=options["lease"],
            since=began if since is None else since,
            taken=tuple(
                Taken(item["message"], item["id"], item["receipt"], item["attempt"])
                for item in found
                if item["id"] is not None
            ),
            key=key,
        )
        self.history.add(pop)
        return pop

    def settle(self, node: int, kind: str, taken: Sequence[Taken], **options: Any) -> Outcome:
        """`kind` is ack, nack or extend."""
        if not taken:
            return Outcome.REFUSED
        receipts = [each.receipt for each in taken]
        body = {"receipt": receipts[0]} if len(receipts) == 1 else {"receipts": receipts}
        began = time.monotonic()
        answer = self.post(node, f"/{kind}", body | options, self.target.durable_headers if kind == "ack" else None)
        self.history.add(
            Settlement(
                began=began,
                ended=time.monotonic(),
                outcome=answer.outcome,
                status=answer.status,
                node=node,
                queue="",
                kind=kind,
                settled=tuple(
                    Settled(each.number, each.receipt, each.attempt, result)
                    for each, result in zip(taken, _results(kind, answer, len(taken)), strict=True)
                ),
                buries=bool(options.get("dead")),
            )
        )
        return answer.outcome


def _outcome_of(answer: httpx.Response) -> Outcome:
    if answer.is_success:
        return Outcome.OK
    if answer.status_code < 500 or answer.json().get("code") in NOT_DONE:
        return Outcome.REFUSED
    return Outcome.UNKNOWN


def _results(kind: str, answer: Answer, count: int) -> list[str]:
    """What became of each receipt, in the words of the batch; empty where it is not known."""
    if "results" in answer.body:
        return [result["status"] for result in answer.body["results"]]
    if answer.outcome is Outcome.OK:
        return [{"ack": "acked", "nack": "nacked", "extend": "extended"}[kind]]
    return [answer.body.get("code", "") if answer.outcome is Outcome.REFUSED else ""] * count


def prepare(target: Target) -> None:
    """Makes the queues, one of which buries a message after few attempts."""
    for place, queue in enumerate(target.queues):
        settings = SETTINGS if place else FEW_ATTEMPTS
        url = f"{target.nodes[0].url}/queues/{queue}"
        httpx.put(url, json=settings, headers=target.headers, timeout=PATIENCE_SECONDS).raise_for_status()


@contextmanager
def load(target: Target, history: History, *, seed: int, a_second: float) -> Iterator[None]:
    """Pushes about `a_second` messages a second, and consumes them, for as long as the block runs."""
    numbers, keys, is_done = Numbers(), count(), threading.Event()
    share, share_of_groups = a_second * (1 - GROUPS_SHARE) / PRODUCERS, a_second * GROUPS_SHARE / GROUP_PRODUCERS
    roles: list[Callable[[Client], None]] = []
    for place in range(PRODUCERS + GROUP_PRODUCERS):
        groups = [f"g{place}-{each}" for each in range(GROUPS_EACH)] if place >= PRODUCERS else []
        rate = share_of_groups if groups else share
        roles.append(Producer(numbers, keys, is_done, a_second=rate, groups=groups, place=place).run)
    roles += [Consumer(keys, is_done).run] * CONSUMERS

    def run(role: Callable[[Client], None], place: int) -> None:
        with Client(target, history, random.Random(seed * 1000 + place)) as client:
            role(client)

    with ThreadPoolExecutor(len(roles)) as pool:
        workers = [pool.submit(run, role, place) for place, role in enumerate(roles)]
        try:
            yield
        finally:
            is_done.set()
        for worker in workers:
            worker.result()


class Producer:
    """Pushes single messages and batches; repeats some under their key, always where the answer is not known."""

    def __init__(
        self,
        numbers: Numbers,
        keys: Iterator[int],
        is_done: threading.Event,
        *,
        a_second: float,
        groups: Sequence[str],
        place: int,
    ) -> None:
        self._numbers = numbers
        self._keys = keys
        self._is_done = is_done
        self._a_second = a_second
        self._groups = groups
        self._place = place

    def run(self, client: Client) -> None:
        chance, queues = client.chance, client.target.queues
        due = time.monotonic()
        while not self._is_done.is_set():
            largest = LARGEST_OF_A_GROUP if self._groups else LARGEST_BATCH
            size = 1 if chance.random() < 0.4 else chance.randint(2, largest)
            group = chance.choice(self._groups) if self._groups else None
            queue = queues[self._place % len(queues)] if group else chance.choice(queues)
            key = f"push-{next(self._keys)}" if chance.random() < 0.5 else None
            self._push(client, queue, self._numbers.take(size), group, key)
            due = max(due, time.monotonic() - CATCHES_UP_SECONDS) + size / self._a_second
            self._is_done.wait(max(0.0, due - time.monotonic()))

    def _push(self, client: Client, queue: str, numbers: tuple[int, ...], group: str | None, key: str | None) -> None:
        outcome = client.push(client.any_node(), queue, numbers, group=group, key=key)
        give_up = time.monotonic() + REPEATS_WITHIN_SECONDS
        while key is not None and outcome is Outcome.UNKNOWN and time.monotonic() < give_up:
            time.sleep(PAUSE_AFTER_FAILURE_SECONDS)
            outcome = _not_less_known(client.push(client.any_node(), queue, numbers, group=group, key=key))
        if outcome is not Outcome.OK:
            time.sleep(PAUSE_AFTER_FAILURE_SECONDS)
        elif key is not None and client.chance.random() < 0.2:
            client.push(client.any_node(), queue, numbers, group=group, key=key)


def _not_less_known(outcome: Outcome) -> Outcome:
    """A repetition that is refused says nothing of the first attempt."""
    return Outcome.OK if outcome is Outcome.OK else Outcome.UNKNOWN


class Consumer:
    """Takes with a lease and does with it what consumers do: most acks, some not, some late, some twice."""

    def __init__(self, keys: Iterator[int], is_done: threading.Event) -> None:
        self._keys = keys
        self._is_done = is_done

    def run(self, client: Client) -> None:
        while not self._is_done.is_set():
            pop = self._take(client)
            if pop.taken:
                self._work(client, pop)
            elif pop.outcome is not Outcome.OK:
                time.sleep(PAUSE_AFTER_FAILURE_SECONDS)

    def _take(self, client: Client, queue: str | None = None) -> Pop:
        chance = client.chance
        options: dict[str, Any] = {"lease": chance.choice(LEASES_SECONDS), "wait": 0.5}
        if chance.random() < 0.8:
            options["max"] = chance.randint(1, LARGEST_BATCH)
        queue = queue or chance.choice(client.target.queues)
        key = f"pop-{next(self._keys)}" if chance.random() < 0.3 else None
        pop = client.pop(client.any_node(), queue, options, key=key)
        since = pop.began
        while key and pop.outcome is Outcome.UNKNOWN and time.monotonic() - since < options["lease"]:
            time.sleep(PAUSE_AFTER_FAILURE_SECONDS)
            pop = client.pop(client.any_node(), queue, options, key=key, since=since)
        return pop

    def _work(self, client: Client, pop: Pop) -> None:
        chance, taken = client.chance, pop.taken
        some = max(1, len(taken) // 10)
        draw = chance.random()
        if draw < 0.03:
            return  # it crashed
        if draw < 0.07:
            self._oversleep(client, pop)
            return
        if draw < 0.15:
            time.sleep(pop.lease_seconds * chance.uniform(0.1, 0.9))  # it works long
        elif draw < 0.20:
            client.settle(client.any_node(), "extend", taken, lease=max(LEASES_SECONDS))
        elif draw < 0.26:
            client.settle(client.any_node(), "nack", taken[:some], delay=chance.choice((0, 0, 1)))
            taken = taken[some:]
        elif draw < 0.28:
            client.settle(client.any_node(), "nack", taken[:some], dead=True, error="drawn")
            taken = taken[some:]
        self._ack(client, taken)

    def _oversleep(self, client: Client, pop: Pop) -> None:
        """Sleeps through its lease, and has, as a rule, leased some of the same again when it uses the old receipts."""
        time.sleep(pop.lease_seconds + 0.02)
        again = self._take(client, pop.queue)
        if client.chance.random() < 0.3:
            client.settle(client.any_node(), "extend", pop.taken, lease=max(LEASES_SECONDS))
        self._ack(client, pop.taken)
        self._ack(client, again.taken)

    def _ack(self, client: Client, taken: Sequence[Taken]) -> None:
        outcome = client.settle(client.any_node(), "ack", taken)
        if outcome is Outcome.UNKNOWN or client.chance.random() < 0.1:
            client.settle(client.any_node(), "ack", taken)


def drain(target: Target, history: History, *, seed: int) -> dict[str, dict[str, int]]:
    """Takes and acks all that is left, and writes down the dead letters; returns what would not go, by queue."""

    def empty(queue: str) -> None:
        moved_at = time.monotonic()
        with Client(target, history, random.Random(seed)) as client:
            # A long group goes one by one, which a busy machine may take minutes for.
            while _left(target, queue) and time.monotonic() < moved_at + STUCK_SECONDS:
                pop = client.pop(0, queue, {"lease": 5, "max": 1000, "wait": 0.5})
                client.settle(0, "ack", pop.taken)
                if pop.taken:
                    moved_at = time.monotonic()

    with ThreadPoolExecutor(len(target.queues)) as pool:
        list(pool.map(empty, target.queues))
    for queue in target.queues:
        history.letters += _letters(target, queue)
    return {queue: left for queue in target.queues if (left := _left(target, queue))}


def _left(target: Target, queue: str) -> dict[str, int]:
    """What is not dead yet, by state; nothing once all is gone."""
    counts = _get(target, f"/queues/{queue}/count")
    return {state: counts[state] for state in ("ready", "delayed", "leased") if counts[state]}


def _letters(target: Target, queue: str) -> Iterator[Letter]:
    cursor: str | None = ""
    while cursor is not None:
        page = _get(target, f"/queues/{queue}/dead", limit="1000", **({"cursor": cursor} if cursor else {}))
        yield from (Letter(letter["message"], letter["id"]) for letter in page["messages"])
        cursor = page["next_cursor"]


def _get(target: Target, path: str, **query: str) -> dict[str, Any]:
    answer = httpx.get(f"{target.nodes[0].url}{path}", params=query, headers=target.headers, timeout=PATIENCE_SECONDS)
    body: dict[str, Any] = answer.raise_for_status().json()
    return body
