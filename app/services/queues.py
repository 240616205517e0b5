"""The rules of the queue: which names and sizes there may be, and who may settle what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.errors import Fault, Forbidden, Invalid, LeaseLost, MessageNotFound, MessageTooLarge
from app.models import QUEUE_NAME, Counts, NewMessage, Popped, Principal, Receipt, Settled, SettleStatus
from app.services.ports import QueueStore

NO_RECEIPT = Fault("is no receipt", pointer="/receipt")

SettleOneQueue = Callable[[str, Sequence[Receipt]], list[SettleStatus]]


class MessageQueue:
    """Every queue there is, by name."""

    def __init__(self, store: QueueStore, *, max_message_bytes: int) -> None:
        self._store = store
        self._max_message_bytes = max_message_bytes

    def push(self, queue: str, messages: Sequence[NewMessage]) -> list[str]:
        """Adds all of `messages`, or none; returns their ids. Raises `Invalid`, `MessageTooLarge`."""
        _check_name(queue)
        self._check_sizes(messages)
        return self._store.push(queue, messages)

    def pop(self, queue: str, *, limit: int, lease_ms: int | None) -> Popped:
        """Takes up to `limit` messages. `lease_ms` 0 removes them, None leases for the queue's own time."""
        _check_name(queue)
        return self._store.pop(queue, limit=limit, lease_ms=lease_ms)

    def count(self, queue: str) -> Counts:
        """How many messages are in each state."""
        _check_name(queue)
        return self._store.count(queue)

    def ack(self, caller: Principal, receipt: str) -> str:
        """Removes the message that `receipt` leases and returns its id.

        Raises `Invalid`, `Forbidden`, `MessageNotFound`, `LeaseLost`.
        """
        return _the_id(_settle(caller, [receipt], self._store.ack)[0])

    def ack_all(self, caller: Principal, receipts: Sequence[str]) -> list[Settled]:
        """Removes what each receipt leases; one fault hinders no other. One script a queue."""
        return _settle(caller, receipts, self._store.ack)

    def _check_sizes(self, messages: Sequence[NewMessage]) -> None:
        limit = self._max_message_bytes
        faults = [
            Fault(f"The message has {len(message.body)} bytes.", pointer=f"/messages/{index}/message")
            for index, message in enumerate(messages)
            if len(message.body) > limit
        ]
        if faults:
            size = max(len(message.body) for message in messages)
            detail = (
                f"A message may have {limit} bytes; this one has {size}. Send less, or raise PULPO_MAX_MESSAGE_BYTES."
            )
            raise MessageTooLarge(detail, faults=faults if len(messages) > 1 else ())


def _check_name(queue: str) -> None:
    if not QUEUE_NAME.fullmatch(queue):
        rule = "A queue's name has 1 to 80 of A-Z a-z 0-9 . _ - and begins with a letter or digit."
        raise Invalid(rule, faults=[Fault(rule, parameter="queue")])


def _settle(caller: Principal, texts: Sequence[str], settle: SettleOneQueue) -> list[Settled]:
    """Settles each queue's receipts in one step and puts the answers back into the order asked."""
    results: list[Settled] = [Settled("invalid")] * len(texts)
    by_queue: dict[str, list[tuple[int, Receipt]]] = {}
    for index, text in enumerate(texts):
        receipt = Receipt.parse(text)
        if receipt is None:
            continue
        if caller.may("pop", receipt.queue):
            by_queue.setdefault(receipt.queue, []).append((index, receipt))
        else:
            results[index] = Settled("forbidden", receipt.id)
    for queue, numbered in by_queue.items():
        statuses = settle(queue, [receipt for _, receipt in numbered])
        for (index, receipt), status in zip(numbered, statuses, strict=True):
            results[index] = Settled(status, receipt.id)
    return results


def _the_id(settled: Settled) -> str:
    """The id of a message that was settled; raises what its status stands for otherwise."""
    match settled.status:
        case "invalid":
            raise Invalid("This is no receipt; send one as pop answered it.", faults=[NO_RECEIPT])
        case "forbidden":
            raise Forbidden("This needs the permission pop on the receipt's queue.")
        case "message-not-found":
            raise MessageNotFound("The message is gone: it was settled, given back, buried or purged.")
        case "lease-lost":
            raise LeaseLost("The lease ran out and the message was delivered again; drop your work on it.")
    return settled.id or ""
