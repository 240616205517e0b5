"""Lines to Redis: what becomes of a command when its connection breaks, stalls or lies idle."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from redis import Connection, Redis
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, ResponseError, TimeoutError

from app import patience
from app.errors import QueueFull, StoreUnavailable
from app.storage import lines
from app.storage.lines import Lines, OutOfTime
from app.storage.redis_client import connect
from tests.chaos.proxy import Proxies
from tests.redis_server import PrivateRedis
from tests.service import wait_until
from tests.topologies import free_ports


@pytest.fixture
def client(redis_server: PrivateRedis, redis_client: Redis) -> Iterator[Redis]:
    """A client that gives up after 0.2 s, on an empty Redis."""
    with Redis.from_url(redis_server.url, socket_timeout=0.2) as client:
        yield client


@pytest.fixture
def request_of_ours() -> Iterator[None]:
    """What happens meanwhile is asked by one request."""
    patience.begin()
    yield
    patience.end()


def connections(redis_client: Redis) -> set[str]:
    """The connections of others than whoever asks."""
    own = redis_client.client_id()
    return {each["id"] for each in redis_client.client_list() if each["id"] != str(own)}


def test_commands_go_one_after_the_other_over_one_connection(client: Redis, redis_client: Redis) -> None:
    before, sent = connections(redis_client), Lines(client)
    for number in range(3):
        assert sent.execute_command("SET", "a", number) == b"OK"
    assert sent.execute_command("GET", "a") == b"2"
    assert len(connections(redis_client) - before) == 1


def test_an_error_of_redis_is_raised_and_the_connection_goes_on(client: Redis, redis_client: Redis) -> None:
    before, sent = connections(redis_client), Lines(client)
    with pytest.raises(ResponseError):
        sent.execute_command("HGET", "a")
    assert sent.execute_command("PING") == b"PONG"
    assert len(connections(redis_client) - before) == 1


@pytest.mark.parametrize("send_several", [False, True])
def test_a_server_that_cannot_be_used_now_is_an_error_and_no_answer(client: Redis, send_several: bool) -> None:
    sent, loading = Lines(client), ("EVAL", "return redis.error_reply('LOADING Redis is loading')", 0)
    with pytest.raises(BusyLoadingError):
        sent.execute_commands([loading]) if send_several else sent.execute_command(*loading)


def test_an_answer_that_comes_too_late_is_never_taken_for_another(client: Redis, redis_client: Redis) -> None:
    sent = Lines(client)
    sent.execute_command("SET", "a", "one")
    redis_client.client_pause(400)
    with pytest.raises(TimeoutError):
        sent.execute_command("GET", "a")
    redis_client.client_unpause()
    assert sent.execute_command("ECHO", "two") == b"two"


def test_a_broken_connection_fails_one_command_and_takes_the_others_with_it(client: Redis, redis_client: Redis) -> None:
    sent = Lines(client)
    first, second = sent._take(), sent._take()
    sent._give_back(first)
    sent._give_back(second)
    redis_client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(ConnectionError):
        sent.execute_command("PING")
    assert sent.execute_command("PING") == b"PONG"


@pytest.mark.parametrize("send_several", [False, True])
def test_a_server_that_has_become_a_replica_is_left_by_all(
    client: Redis, redis_client: Redis, send_several: bool
) -> None:
    """Its connections stand, and each of them would be refused."""
    before, sent = connections(redis_client), Lines(client)
    for taken in [sent._take(), sent._take()]:
        sent._give_back(taken)
    redis_client.replicaof("127.0.0.1", 1)
    try:
        if send_several:
            assert isinstance(sent.execute_commands([("SET", "a", 1)])[0], ReadOnlyError)
        else:
            with pytest.raises(ReadOnlyError):
                sent.execute_command("SET", "a", 1)
        assert not connections(redis_client) - before
    finally:
        redis_client.replicaof("NO", "ONE")


def test_a_connection_that_broke_while_it_lay_idle_fails_nothing(
    client: Redis, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "IDLE_SECONDS", -1.0)
    sent = Lines(client)
    sent.execute_command("PING")
    redis_client.client_kill_filter(_type="normal", skipme=True)
    assert sent.execute_command("PING") == b"PONG"


def test_lines_that_lie_idle_keep_no_client_from_its_connections(
    redis_server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 150)
    sent = connect(redis_server.url)
    assert isinstance(sent, Lines)
    for taken in [sent._take() for _ in range(150)]:
        sent._give_back(taken)
    assert sent.client.ping()
    sent.close()


def test_connections_that_a_crowd_needed_are_closed_once_it_is_gone(
    client: Redis, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sent = connections(redis_client), Lines(client)
    crowd = [sent._take() for _ in range(5)]
    for connection in crowd:
        sent._give_back(connection)
    monkeypatch.setattr(lines, "SPARE_SECONDS", 0.0)
    for _ in range(10):
        sent.execute_command("PING")
    assert len(connections(redis_client) - before) == 1


def test_a_crowd_shares_few_connections(client: Redis, redis_client: Redis) -> None:
    before, sent = connections(redis_client), Lines(client)
    answers: list[bytes] = []
    start = threading.Barrier(200)

    def ask(number: int) -> None:
        start.wait()
        answers.extend(sent.execute_command("ECHO", number) for _ in range(20))

    crowd = [threading.Thread(target=ask, args=[number]) for number in range(200)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(10)
    assert sorted(map(int, answers)) == sorted([*range(200)] * 20)
    assert 1 <= len(connections(redis_client) - before) <= lines.MOST_LINES


def test_who_waits_for_a_connection_gets_it_in_turn_and_one_that_breaks_makes_room(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 2)
    sent = Lines(client)
    took: list[tuple[int, object]] = []
    first, second = sent._take(), sent._take()

    def take(number: int) -> None:
        took.append((number, sent._take()))

    for number in range(3):
        threading.Thread(target=take, args=[number]).start()
        wait_until(partial(has_waiting, sent, number + 1), 5)
    sent._give_back(first)
    wait_until(lambda: len(took) == 1, 5)
    assert took == [(0, first)]
    sent._discard(second)
    wait_until(lambda: len(took) == 2, 5)
    assert took[1][0] == 1
    assert took[1][1] not in (first, second)
    sent._give_back(first)
    wait_until(lambda: len(took) == 3, 5)
    assert took[2] == (2, first)


def has_waiting(sent: Lines, number: int) -> bool:
    return len(sent._waiting) == number


@pytest.mark.usefixtures("request_of_ours")
def test_a_request_waits_for_a_connection_for_a_second(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 1)
    sent = Lines(client)
    taken = sent._take()
    began = time.monotonic()
    with pytest.raises(TimeoutError) as refusal:
        sent.execute_command("PING")
    assert not isinstance(refusal.value, OutOfTime)
    assert 0.9 < time.monotonic() - began < 1.9
    monkeypatch.setattr(patience, "REQUEST_SECONDS", lines.LEAST_SECONDS + 0.1)
    patience.renew()
    assert seconds_until_out_of_time(lambda: sent.execute_command("PING")) < 0.5
    monkeypatch.undo()
    sent._give_back(taken)
    patience.renew()
    assert sent.execute_command("PING") == b"PONG"
    assert not sent._waiting


def test_what_cannot_connect_takes_nobody_s_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 2)
    (port,) = free_ports(1)
    with Redis(port=port) as client:
        sent = Lines(client)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                sent.execute_command("PING")


def test_what_fails_once_connected_is_closed_and_takes_nobody_s_room(
    client: Redis, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 1)
    before, sent = connections(redis_client), Lines(client)
    with monkeypatch.context() as broken:
        broken.delattr(lines._Line, "_wait_at_most")
        with pytest.raises(AttributeError):
            sent.execute_command("PING")
    assert not connections(redis_client) - before
    assert sent.execute_command("PING") == b"PONG"


def test_where_redis_stands_still_a_crowd_is_told_soon(redis_server: PrivateRedis, redis_client: Redis) -> None:
    """Those who wait in turn as well as those who wait for an answer."""
    sent, took = connect(redis_server.url), []

    def ask() -> None:
        patience.begin()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            sent.execute_command("PING")
        took.append(time.monotonic() - began)

    redis_client.client_pause(4_000)
    crowd = [threading.Thread(target=ask) for _ in range(64)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(10)
    redis_client.client_unpause()
    assert len(took) == len(crowd)
    assert max(took) < 3


def test_a_refusal_of_ours_leaves_the_connections_as_they_are(client: Redis, redis_client: Redis) -> None:
    before, sent = connections(redis_client), Lines(client)
    sent.execute_command("PING")
    with sent.hold("a") as held:
        held.execute_command("PING")
    own = connections(redis_client) - before
    with pytest.raises(QueueFull), sent.hold("a"):
        raise QueueFull("there is no place")
    assert len(own) == 2
    assert own <= connections(redis_client)


def test_where_redis_fails_a_held_connection_all_others_are_closed(client: Redis, redis_client: Redis) -> None:
    before, sent = connections(redis_client), Lines(client)
    sent.execute_command("PING")
    own = connections(redis_client) - before
    with pytest.raises(StoreUnavailable), sent.hold("a"):
        raise StoreUnavailable("it is gone")
    wait_until(lambda: not connections(redis_client) & own)


def seconds_until_out_of_time(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        ask()
    return time.monotonic() - began


@pytest.mark.parametrize("path", [True, False])
def test_a_server_that_takes_in_little_at_a_time_is_given_up_on(tmp_path: Path, path: bool) -> None:
    family, address = (socket.AF_UNIX, str(tmp_path / "socket")) if path else (socket.AF_INET, ("127.0.0.1", 0))
    with socket.socket(family) as door, socket.socket(family) as ours:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        door.bind(address)
        door.listen()

        def take_in_a_little() -> None:
            with door.accept()[0] as theirs:
                while theirs.recv(50_000):
                    time.sleep(0.1)

        threading.Thread(target=take_in_a_little, daemon=True).start()
        ours.connect(door.getsockname())
        line = lines._Line(
            cast("Connection", SimpleNamespace(_sock=ours, socket_timeout=0.5, _parser=SimpleNamespace(_reader=None)))
        )
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            line.send(b"x" * 8_000_000)
        assert time.monotonic() - began < 1.5


@pytest.mark.usefixtures("request_of_ours")
def test_a_slow_login_ends_with_the_time_of_the_request(redis_server: PrivateRedis) -> None:
    (door,) = free_ports(1)
    with Proxies() as proxies:
        proxies.add(door, str(redis_server.socket))
        proxies.delay(door, 0.7)  # each way, at each step
        sent = connect(f"redis://127.0.0.1:{door}/1")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            sent.execute_command("PING")
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("request_of_ours")
def test_many_slow_answers_end_with_the_time_of_the_request(redis_server: PrivateRedis) -> None:
    sent = connect(redis_server.url)
    assert seconds_until_out_of_time(lambda: sent.execute_commands([("BLPOP", "nothing", 1)] * 9)) < 5


@pytest.mark.usefixtures("request_of_ours")
def test_nothing_is_sent_of_which_nobody_could_hear(
    client: Redis, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sent = connections(redis_client), Lines(client)
    sent.execute_command("PING")
    monkeypatch.setattr(patience, "REQUEST_SECONDS", lines.LEAST_SECONDS / 2)
    patience.renew()
    assert seconds_until_out_of_time(lambda: sent.execute_command("SET", "a", 1)) < 0.1
    assert redis_client.get("a") is None
    assert len(connections(redis_client) - before) == 1


def test_a_request_out_of_time_costs_others_no_connection(
    redis_server: PrivateRedis, redis_client: Redis, request_of_ours: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.9)
    before, sent = connections(redis_client), connect(redis_server.url)
    assert isinstance(sent, Lines)
    patience.end()
    others = [sent._take() for _ in range(3)]
    for taken in others:
        sent._give_back(taken)
    patience.begin()
    redis_client.client_pause(1_500)
    assert seconds_until_out_of_time(lambda: sent.execute_command("PING")) < 1.2
    redis_client.client_unpause()
    assert len(connections(redis_client) - before) == 2
