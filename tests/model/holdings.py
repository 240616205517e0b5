"""What a queue in Redis holds and what its model holds, in the same words, so that the two can be compared."""

from __future__ import annotations

import itertools
from typing import Any

from redis import Redis

from app.models import DeadLetter, Delivery, format_id
from app.storage.envelope import HAS_TTL, ID_BYTES, ended_deliveries, unseal
from app.storage.keys import QueueKeys
from app.storage.redis_dead_letters import _letter
from tests.model.model import QueueModel
from tests.model.words import REASONS, Letter, Message

PREFIX, QUEUE = "pulpo", "orders"
KEYS = QueueKeys.of(PREFIX, QUEUE)
ENTRY_HEAD_BYTES = 19  # of an entry of inflight: place, attempt, nonce


class Sight:
    """Sees what is in Redis; `numbers` are those of the model, by the ids of the messages."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self.numbers = numbers

    def delivered(self, delivery: Delivery) -> tuple[Any, ...]:
        number = self.numbers[delivery.id]
        content = (delivery.body, delivery.content_type, delivery.priority, delivery.group, delivery.attributes)
        return number, delivery.attempt, content, delivery.pushed_at_ms

    def lettered(self, letter: DeadLetter) -> tuple[Any, ...]:
        return letter.died_at_ms, letter.reason, letter.error, *self.delivered(letter.message)

    def _enveloped(self, envelope: bytes) -> tuple[Any, ...]:
        return _clock_of(envelope), *self.delivered(unseal(envelope, attempt=ended_deliveries(envelope), receipt=None))

    def held_by_redis(self, admin: Redis) -> dict[str, Any]:
        """Everything that lies in the queue's keys, each message in the words of the model."""
        with admin.pipeline(transaction=True) as pipeline:
            for key in KEYS.ready:
                pipeline.lrange(key, 0, -1)
            for key in (KEYS.delayed, *KEYS.leased, *KEYS.dead):
                pipeline.zrange(key, 0, -1, withscores=True)
            pipeline.zrange(KEYS.grouped, 0, -1)
            pipeline.hkeys(KEYS.groups)
            pipeline.hgetall(KEYS.inflight)
            pipeline.hgetall(KEYS.dead_messages)
            pipeline.hget(KEYS.queue, "bytes")
            replies: list[Any] = pipeline.execute()
        ready, delayed, leased, dead = replies[:3], replies[3], replies[4:8], replies[8:11]
        grouped, groups, inflight, dead_messages, size = replies[11:]
        followers = [(group.decode(), rest[6:]) for group, _, rest in (each.partition(b"\0") for each in grouped)]
        envelopes = [*itertools.chain(*ready), *(envelope for envelope, _ in delayed)]
        envelopes += [envelope for _, envelope in followers]
        envelopes += [entry[ENTRY_HEAD_BYTES:] for entry in inflight.values()]
        envelopes += [letter[3 + int.from_bytes(letter[1:3], "big") :] for letter in dead_messages.values()]
        assert len(inflight) == sum(map(len, leased))
        assert len(dead_messages) == sum(map(len, dead))
        assert int(size or 0) == sum(len(unseal(each, attempt=0, receipt=None).body) for each in envelopes)
        assert len({envelope[:ID_BYTES] for envelope in envelopes}) == len(envelopes), "a message lies in two places"
        return {
            "ready": [[self._enveloped(envelope) for envelope in part] for part in ready],
            "followers": [(group, *self._enveloped(envelope)) for group, envelope in followers],
            "occupied": {group.decode() for group in groups},
            "delayed": [(due_ms, *self._enveloped(envelope)) for envelope, due_ms in delayed],
            "leased": [self._by_number(part, inflight) for part in leased],
            "dead": [self._by_number(part, {}) for part in dead],
            "letters": {
                self.numbers[format_id(message_id)]: self.lettered(_letter(0, letter))
                for message_id, letter in dead_messages.items()
            },
        }

    def _by_number(self, scored: list[tuple[bytes, float]], inflight: dict[bytes, bytes]) -> list[tuple[Any, ...]]:
        """Of each member: its time, its number and, if it is leased, its attempt and what is left of its time."""
        return [
            (
                time_ms,
                self.numbers[format_id(message_id)],
                int.from_bytes(entry[1:3], "big"),
                _clock_of(entry[ENTRY_HEAD_BYTES:]),
            )
            for message_id, time_ms in scored
            for entry in [inflight.get(message_id, b"")]
        ]


def held_by_model(queue: QueueModel) -> dict[str, Any]:
    """The same of the model."""
    leases = sorted(queue.leases.values(), key=queue._place_of)
    letters = sorted(queue.dead, key=lambda letter: letter.order)
    return {
        "ready": [[_as_held(message) for message in messages] for messages in queue.ready.values()],
        "followers": [
            (group, *_as_held(message)) for group, messages in sorted(queue.followers.items()) for message in messages
        ],
        "occupied": queue.occupied,
        "delayed": [(due_ms, *_as_held(message)) for due_ms, _, message in sorted(queue._ordered_delayed())],
        "leased": [
            [
                (lease.ends_ms, lease.message.number, lease.message.attempts, lease.message.clock_ms)
                for lease in leases
                if queue._place_of(lease)[0] == place
            ]
            for place in range(4)
        ],
        "dead": [
            [(letter.died_at_ms, letter.message.number, 0, None) for letter in letters if letter.reason == reason]
            for reason in REASONS
        ],
        "letters": {each.message.number: (0, *as_lettered(each)[1:]) for each in letters},
    }


def _clock_of(envelope: bytes) -> int | None:
    return int.from_bytes(envelope[28:34], "big") if envelope and envelope[17] & HAS_TTL else None


def as_delivered(message: Message) -> tuple[Any, ...]:
    asked = message.asked
    content = (asked.body, asked.content_type, asked.priority, asked.group, asked.attributes)
    return message.number, message.attempts, content, message.pushed_at_ms


def _as_held(message: Message) -> tuple[Any, ...]:
    return message.clock_ms, *as_delivered(message)


def as_lettered(letter: Letter) -> tuple[Any, ...]:
    return letter.died_at_ms, letter.reason, letter.error, *as_delivered(letter.message)
