"""A request that is refused keeps nothing alive: neither its body nor anything else waits for Python's collector.

An exception holds the calls that it went through. A call that still has a name for it, or a list with it, is held by
what it holds, and so is all that the request has.
"""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import AskError, OutOfMemoryError, RedisError, TryAgainError

from app.errors import NotDurable, PulpoError
from app.models import Receipt
from app.people import Principal
from app.redis_url import Address
from app.services.ports import QueueStore
from app.services.queues import MessageQueue
from app.services.system import Limits
from app.services.waiting import LongPoll
from app.storage.cluster import ClusterLines
from app.storage.lines import Lines
from app.storage.redis_client import translating_errors
from app.storage.scripts import Script
from app.web.exchange import JSON, Call
from app.web.pushes import read_push
from tests.redis_server import PrivateRedis

REFUSED = ("HGET", "a")
LOADING = ("EVAL", "return redis.error_reply('LOADING Redis is loading')", 0)
CALLER = Principal("1", "anna", (), ("pop:*",))


class Body:
    """What a request has. Plain bytes cannot be watched."""


@pytest.fixture(autouse=True)
def _nobody_collects() -> Iterator[None]:
    logging.disable()  # pytest keeps all that is logged, errors among it
    gc.disable()
    yield
    gc.enable()
    logging.disable(logging.NOTSET)


@pytest.fixture
def sent(redis_server: PrivateRedis, redis_client: Redis) -> Iterator[Lines]:
    del redis_client  # it has emptied the server
    with Redis.from_url(redis_server.url) as client:
        yield Lines(client)


def is_kept(refused: Callable[[], object]) -> bool:
    """Whether anything is left of a request in which `refused` was called."""

    def request() -> weakref.ref[Body]:
        body = Body()
        with suppress(PulpoError, RedisError):
            refused()
            pytest.fail("it was not refused")
        return weakref.ref(body)

    return request()() is not None


@pytest.mark.parametrize("command", [REFUSED, LOADING])
def test_of_a_command_that_redis_refuses(sent: Lines, command: tuple[Any, ...]) -> None:
    assert not is_kept(lambda: sent.execute_command(*command))


def test_of_a_script_that_redis_refuses(sent: Lines) -> None:
    script = Script("count")
    script.source = LOADING[1]
    script._sha = "0" * 40
    assert not is_kept(lambda: script.run(sent, [], []))


def test_of_an_error_that_is_made_one_of_ours(sent: Lines) -> None:
    def refused() -> None:
        with translating_errors():
            sent.execute_command(*LOADING)

    assert not is_kept(refused)


def test_of_a_batch_with_faults() -> None:
    body = b'{"messages": [{"message": "more than twenty bytes"}, {"message": 1, "group": "g", "delay": 1}]}'
    call = Call(CALLER, "a", {}, JSON, "", None, "", None, body, None)
    limits = Limits(max_message_bytes=20, max_request_bytes=1_000, max_depth=64, token_lifetime_seconds=60)
    assert not is_kept(lambda: read_push(call, limits))


def test_of_acks_that_are_not_proven() -> None:
    def ack(*_: object, **__: object) -> None:
        raise NotDurable("nobody knows", ids=["1"])

    queues = MessageQueue(cast("QueueStore", SimpleNamespace(ack=ack)), cast("LongPoll", None))
    receipts = [str(Receipt(name, b"x" * 16, b"y" * 16)) for name in ("a", "b")]
    assert not is_kept(lambda: queues.ack(CALLER, receipts, durable=True))


@pytest.mark.parametrize(
    "said",
    [
        [(TryAgainError, "wait"), (TryAgainError, "wait"), (OutOfMemoryError, "full")],
        [(AskError, "1 there:1"), (OutOfMemoryError, "full")],
        [(OutOfMemoryError, "full")],
    ],
)
def test_of_a_command_that_a_cluster_sends_about(
    monkeypatch: pytest.MonkeyPatch, said: list[tuple[type[RedisError], str]]
) -> None:
    replies = iter(said)

    def reply() -> RedisError:
        kind, text = next(replies)
        return kind(text)

    def execute_command(*_: object) -> None:
        raise reply()

    lines = SimpleNamespace(execute_command=execute_command, execute_commands=lambda _: [b"OK", reply()])
    here = Address("here", 1)
    cluster = ClusterLines([here], look=cast("Any", None), connect=cast("Any", None))
    monkeypatch.setattr(cluster, "_owner", lambda _: here)
    monkeypatch.setattr(cluster, "lines_to", lambda _: lines)
    assert not is_kept(lambda: cluster.execute_command("EVALSHA", "0" * 40, 1, "k"))
