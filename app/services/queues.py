"""The rules of the queue: what it may be called, and who may settle what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.errors import Fault, Forbidden, Invalid, LeaseLost, MessageNotFound, NotDurable
from app.models import Counts, GiveBack, NewMessage, Popped, Pushed, Receipt, RequestKey, Settled, Settlement
from app.people import Principal
from app.services.names import check_queue_name
from app.services.ports import Client, QueueStore
from app.services.waiting import LongPoll

NO_RECEIPT = Fault("is no receipt", pointer="/receipt")

SettleOneQueue = Callable[[str, Sequence[Receipt]], Settlement]


class MessageQueue:
    """Every queue there is, by name."""

    def __init__(self, store: QueueStore, long_poll: LongPoll) -> None:
        self._store = store
        self._long_poll = long_poll

    def push(
        self, queue: str, messages: Sequence[NewMessage], *, key: RequestKey | None = None, durable: bool = False
    ) -> Pushed:
        """Adds all of `messages`, or none; those pushed before under the same key keep their ids.

        If `durable`, they are proven to be safe. Raises `Invalid`, `QueueFull`, `QueuePaused`, `TooManyQueues`,
        `IdempotencyKeyReused`, `NotDurable`.
        """
        check_queue_name(queue)
        return self._store.push(queue, messages, key, durable=durable)

    def pop(
        self,
        queue: str,
        *,
        limit: int,
        lease_ms: int | None,
        key: RequestKey | None = None,
        wait_seconds: float = 0,
        client: Client | None = None,
    ) -> Popped:
        """Takes up to `limit` messages. `lease_ms` 0 removes them, None leases for the queue's own time.

        Under a `key` that was used before, answers what was leased then, as far as it still is. Waits up to
        `wait_seconds` if there is nothing; a `client` that has left meanwhile (None: nobody knows) takes nothing.
        """
        check_queue_name(queue)

        def take(*, waiters: int = 0, is_look: bool = False) -> Popped:
            return self._store.pop(queue, limit=limit, lease_ms=lease_ms, key=key, waiters=waiters, is_look=is_look)

        if not wait_seconds:
            return take()
        return self._long_poll.wait_for(queue, take, seconds=wait_seconds, client=client)

    def stop_waiting(self) -> None:
        """Answers everybody who waits, now and from now on: the process stops."""
        self._long_poll.close()

    def count(self, queue: str) -> Counts:
        """How many messages are in each state."""
        check_queue_name(queue)
        return self._store.count(queue)

    def ack(self, caller: Principal, receipts: Sequence[str], *, durable: bool = False) -> list[Settled]:
        """Removes what each receipt leases; one that fails hinders no other.

        If `durable`, it is proven that none of them comes back. Raises `NotDurable`, with the ids of all that are gone
        and not proven, once every queue was asked.
        """
        unproven: list[NotDurable] = []

        def remove(queue: str, held: Sequence[Receipt]) -> Settlement:
            try:
                return Settlement(self._store.ack(queue, held, durable=durable))
            except NotDurable as error:
                unproven.append(error)
                return Settlement(["invalid"] * len(held))  # nobody sees it

        results = _settle(caller, receipts, remove)
        if not unproven:
            return results
        try:
            raise NotDurable(unproven[0].detail, ids=[gone for error in unproven for gone in error.ids])
        finally:  # each holds this call, and with it the whole body, until garbage is looked for
            unproven.clear()

    def nack(self, caller: Principal, receipts: Sequence[str], how: GiveBack) -> list[Settled]:
        """Gives back what each receipt leases; one that fails hinders no other."""
        return _settle(caller, receipts, lambda queue, held: Settlement(self._store.nack(queue, held, how)))

    def extend(self, caller: Principal, receipts: Sequence[str], *, lease_ms: int) -> list[Settled]:
        """Keeps what each receipt leases for `lease_ms` from now; one that fails hinders no other."""
        return _settle(caller, receipts, lambda queue, held: self._store.extend(queue, held, lease_ms=lease_ms))


def settled_or_raise(settled: Settled) -> Settled:
    """`settled` if it succeeded. Raises `Invalid`, `Forbidden`, `MessageNotFound` or `LeaseLost` if it did not."""
    match settled.status:
        case "invalid":
            raise Invalid("This is no receipt; send one as pop answered it.", faults=[NO_RECEIPT])
        case "forbidden":
            raise Forbidden(f"This needs the permission pop:{settled.queue}.")
        case "message-not-found":
            raise MessageNotFound("The message is gone: it was settled or given back, or is a dead letter.")
        case "lease-lost":
            raise LeaseLost("The lease ran out and the message was delivered again; drop your work on it.")
    return settled


def _settle(caller: Principal, texts: Sequence[str], settle: SettleOneQueue) -> list[Settled]:
    """Settles each queue's receipts in one step and puts the answers back into the order asked."""
    results = [Settled("invalid")] * len(texts)
    by_queue: dict[str, list[tuple[int, Receipt]]] = {}
    for index, text in enumerate(texts):
        receipt = Receipt.parse(text)
        if receipt is None:
            continue
        if receipt.queue in by_queue:
            by_queue[receipt.queue].append((index, receipt))
        elif caller.may("pop", receipt.queue):
            by_queue[receipt.queue] = [(index, receipt)]
        else:
            results[index] = Settled("forbidden", receipt.id, receipt.queue)
    for queue, numbered in by_queue.items():
        settlement = settle(queue, [receipt for _, receipt in numbered])
        for (index, receipt), status in zip(numbered, settlement.statuses, strict=True):
            ends = settlement.lease_expires_at_ms if status == "extended" else None
            results[index] = Settled(status, receipt.id, receipt.queue, ends, receipt.delivered_at_ms)
    return results
