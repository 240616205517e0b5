"""Loads a service with more than fits, and with clients that are slow, and looks at who is refused and how health does.

    python -m tests.chaos.overload [--scale 10] [--only waiters]

The server is gunicorn, or what TEST_SERVER names. `--scale`: how many times the connections that fit.
Each row: what became of those who asked, how long the slowest answer took, the memory of the workers, how long
`/health`, `/health/live` and a push of somebody else took meanwhile, and how long until a push went as before. While
Redis is frozen `/health` says so: 503 is an answer of it there, which a refusal (it has `Retry-After`) is not.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

import psutil
from redis import Redis
from tabulate import tabulate

from tests.service import SERVER, Service, running

WORKERS, THREADS = 2, 16
CONNECTIONS_THAT_FIT = WORKERS * (THREADS + 512)
HEAD = "{} {} HTTP/1.1\r\nHost: pulpo\r\nAuthorization: Bearer {}\r\n{}\r\n"
PROBE_SECONDS = 0.1
GIVE_UP_SECONDS = 60.0  # after which a client that was let be goes
LARGE = 250_000  # bytes of a message
BLOCK = b"x" * 65_536

Outcome = str  # a status, or what the connection did instead


@dataclass
class Probe:
    """How long one path took, in ms, and how often it was not answered as it should."""

    milliseconds: list[float] = field(default_factory=list)
    failed: int = 0

    def __str__(self) -> str:
        if not self.milliseconds:
            return f"none of {self.failed}"
        told = f"{median(self.milliseconds):.0f} / {max(self.milliseconds):.0f}"
        return f"{told}, {self.failed} failed" if self.failed else told


class Caller:
    """Speaks plain HTTP over connections of its own, so that it can be slow, or silent."""

    def __init__(self, service: Service) -> None:
        host, _, port = service.url.removeprefix("http://").partition(":")
        self.address = (host, int(port))
        self.token = service.token()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)

    def socket(self) -> socket.socket:
        """One that takes little before it is read from."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        return connection

    def head(self, method: str, path: str, more: str = "Content-Length: 0\r\n") -> bytes:
        return HEAD.format(method, path, self.token, more).encode()

    async def ask(self, method: str, path: str, body: bytes = b"") -> Outcome:
        """One request on a connection of its own."""
        with suppress_broken() as broken:
            reader, writer = await self.connect()
            try:
                writer.write(self.head(method, path, f"Content-Length: {len(body)}\r\nConnection: close\r\n") + body)
                return await read_outcome(reader)
            finally:
                writer.close()
        return broken.outcome

    async def push(self) -> Outcome:
        return await self.ask("POST", "/queues/others/push", b'{"message": 1}')

    async def pop_and_wait(self) -> Outcome:
        return await self.ask("POST", "/queues/nothing/pop", b'{"lease": 30, "wait": 5}')


class suppress_broken:  # noqa: N801 - it reads as suppress does
    """Takes what a connection that was refused or cut raises, and keeps its name."""

    outcome: Outcome = "cut off"

    def __enter__(self) -> suppress_broken:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is not None and issubclass(kind, ConnectionRefusedError):
            self.outcome = "no connection"
        return kind is not None and issubclass(kind, OSError | asyncio.IncompleteReadError | EOFError)


async def read_outcome(reader: asyncio.StreamReader) -> Outcome:
    """The status of the answer that comes, with a mark if it says to come back; `cut off` if none does."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = await reader.read(65_536)
        if not part:
            return "cut off"
        head += part
    while await reader.read(65_536):
        pass
    status = head.split(b" ", 2)[1].decode()
    return f"{status} later" if b"\r\nretry-after:" in head.lower() else status


# Each takes a caller and does what one client does; what it returns is counted.


async def stay_silent(caller: Caller) -> Outcome:
    with suppress_broken() as broken:
        reader, writer = await caller.connect()
        try:
            return await read_outcome(reader)
        finally:
            writer.close()
    return broken.outcome


async def push_in_a_loop(caller: Caller) -> Outcome:
    return await caller.push()


async def trickle_a_head(caller: Caller) -> Outcome:
    return await _trickle(caller, b"", caller.head("POST", "/push"))


async def trickle_a_head_of_health(caller: Caller) -> Outcome:
    head = caller.head("GET", "/health")
    return await _trickle(caller, head[:11], head[11:])


async def trickle_a_body(caller: Caller) -> Outcome:
    head = caller.head("POST", "/push", "Content-Type: text/plain\r\nContent-Length: 100000\r\n")
    return await _trickle(caller, head, b"x" * 1000)


async def _trickle(caller: Caller, at_once: bytes, slowly: bytes) -> Outcome:
    with suppress_broken() as broken:
        reader, writer = await caller.connect()
        answer = asyncio.create_task(read_outcome(reader))
        try:
            writer.write(at_once)
            for byte in slowly:
                writer.write(bytes([byte]))
                done, _ = await asyncio.wait([answer], timeout=1)
                if done:
                    break
            return await answer
        finally:
            answer.cancel()
            writer.close()
    return broken.outcome


async def read_slowly(caller: Caller) -> Outcome:
    """Asks for megabytes, and takes a kilobyte a second; `cut off` if that ends before all can have come."""
    loop = asyncio.get_running_loop()
    with suppress_broken() as broken, caller.socket() as connection:
        await loop.sock_connect(connection, caller.address)
        await loop.sock_sendall(connection, caller.head("GET", "/queues/large/messages?limit=1000&state=ready"))
        first = await loop.sock_recv(connection, 1024)
        if not first.startswith(b"HTTP/1.1 200"):
            return first.split(b" ", 2)[1].decode() + " later" if first else "cut off"
        while await loop.sock_recv(connection, 1024):
            await asyncio.sleep(1)
        return "cut off"
    return broken.outcome


async def send_without_end(caller: Caller) -> Outcome:
    return await _pour(caller, "Transfer-Encoding: chunked\r\n", b"10000\r\n" + BLOCK + b"\r\n")


async def announce_gigabytes(caller: Caller) -> Outcome:
    return await _pour(caller, f"Content-Length: {5 * 2**30}\r\n", BLOCK)


async def _pour(caller: Caller, header: str, block: bytes) -> Outcome:
    with suppress_broken() as broken:
        reader, writer = await caller.connect()
        answer = asyncio.create_task(read_outcome(reader))
        try:
            writer.write(caller.head("POST", "/push", f"Content-Type: text/plain\r\n{header}"))
            with suppress(OSError):
                while not answer.done():
                    writer.write(block)
                    await writer.drain()
            return await answer
        finally:
            answer.cancel()
            writer.close()
    return broken.outcome


async def wait(caller: Caller) -> Outcome:
    return await caller.pop_and_wait()


Client = Callable[[Caller], Awaitable[Outcome]]


@dataclass(frozen=True)
class Fault:
    """A load: `count` clients of one kind, each once or over and over for some seconds; `redis` is done to Redis."""

    name: str
    client: Client
    count: int
    seconds: float = 0
    redis: Callable[[Service], Awaitable[None]] | None = None


async def freeze(service: Service) -> None:
    redis = service.redis()
    redis.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(8)
    finally:
        redis.send_signal(signal.SIGCONT)


async def slow_down(service: Service) -> None:
    """Stops it for a second, lets it run for a fifth of one."""
    path = next(service.data_dir.rglob("*.sock"))
    with Redis(unix_socket_path=str(path)) as redis:
        for _ in range(7):
            redis.client_pause(1000, all=True)
            await asyncio.sleep(1.2)


def faults(scale: int) -> list[Fault]:
    many = scale * CONNECTIONS_THAT_FIT
    return [
        Fault(f"{many} silent connections", stay_silent, many),
        Fault(f"{many} connections that push", push_in_a_loop, many, seconds=10),
        Fault("1000 heads, a byte a second", trickle_a_head, 1000),
        Fault("1000 heads of GET /health, a byte a second", trickle_a_head_of_health, 1000),
        Fault("1000 bodies, a byte a second", trickle_a_body, 1000),
        Fault("200 readers of 8 MiB, 1 KiB a second", read_slowly, 200),
        Fault("50 chunked bodies without end", send_without_end, 50, seconds=5),
        Fault("50 bodies of 5 GiB announced", announce_gigabytes, 50, seconds=5),
        Fault("1000 waiters", wait, 1000),
        Fault("Redis frozen, 200 pushers", push_in_a_loop, 200, seconds=8, redis=freeze),
        Fault("Redis slow, 200 pushers", push_in_a_loop, 200, seconds=8, redis=slow_down),
    ]


@dataclass
class Result:
    outcomes: Counter[Outcome]
    slowest_seconds: float
    health: Probe
    live: Probe
    push: Probe
    megabytes: tuple[float, float, float]
    recovered_seconds: float


class Watch:
    """What is looked at while a service is under load."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service, self._caller = service, caller
        self._over = asyncio.Event()
        self.health, self.live, self.push = Probe(), Probe(), Probe()
        self.before = self.most = megabytes(service)

    async def run(self) -> None:
        """Looks until `stop` is called."""
        health = self._probe(self.health, lambda: self._caller.ask("GET", "/health"), "200", "503")
        live = self._probe(self.live, lambda: self._caller.ask("GET", "/health/live"), "200")
        await asyncio.gather(health, live, self._probe(self.push, self._caller.push, "201"), self._weigh())

    def stop(self) -> None:
        self._over.set()

    async def _probe(self, kept: Probe, ask: Callable[[], Awaitable[Outcome]], *good: Outcome) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            if await ask() in good:
                kept.milliseconds.append((time.monotonic() - started) * 1000)
            else:
                kept.failed += 1
            await asyncio.sleep(PROBE_SECONDS)

    async def _weigh(self) -> None:
        while not self._over.is_set():
            self.most = max(self.most, megabytes(self._service))
            await asyncio.sleep(0.5)


async def measure(service: Service, fault: Fault) -> Result:
    """Does what `fault` says to `service`, and looks at it meanwhile and afterwards."""
    caller = Caller(service)
    outcomes: list[tuple[Outcome, float]] = []
    watch = Watch(service, caller)
    watching = asyncio.create_task(watch.run())
    harm = [] if fault.redis is None else [fault.redis(service)]
    await asyncio.gather(*(_one(fault, caller, number, outcomes) for number in range(fault.count)), *harm)
    watch.stop()
    await watching
    ended = time.monotonic()
    while await caller.push() != "201":
        await asyncio.sleep(PROBE_SECONDS)
    recovered = time.monotonic() - ended
    weights = (watch.before, watch.most, megabytes(service))
    counted, slowest = Counter(outcome for outcome, _ in outcomes), max(seconds for _, seconds in outcomes)
    return Result(counted, slowest, watch.health, watch.live, watch.push, weights, recovered)


async def _one(fault: Fault, caller: Caller, number: int, outcomes: list[tuple[Outcome, float]]) -> None:
    """One client of many, who do not all begin in one instant: nobody's system takes so many."""
    await asyncio.sleep(number / fault.count)
    until = time.monotonic() + fault.seconds
    while True:
        started = time.monotonic()
        try:
            outcome = await asyncio.wait_for(fault.client(caller), GIVE_UP_SECONDS)
        except TimeoutError:
            outcome = "no end"
        outcomes.append((outcome, time.monotonic() - started))
        if time.monotonic() >= until:
            return


def megabytes(service: Service) -> float:
    """Of the server's processes, without Redis and its keeper."""
    total = 0.0
    for process in service.processes():
        with suppress(psutil.NoSuchProcess):
            if "redis" not in process.name() and "valkey" not in process.name():
                total += process.memory_info().rss / 2**20
    return total


def fill(service: Service) -> None:
    """A queue from which 8 MiB can be asked at once."""
    for _ in range(4):
        service.call("/queues/large/push", {"messages": [{"message": "x" * LARGE}] * 10})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--only", default="")
    asked = parser.parse_args(arguments)
    rows = []
    with running(PULPO_WORKERS=str(WORKERS), PULPO_THREADS=str(THREADS)) as service:
        fill(service)
        for fault in faults(asked.scale):
            if asked.only in fault.name:
                result = asyncio.run(measure(service, fault))
                rows.append(row(fault, result))
                print(rows[-1], flush=True)
    probes = ("health p50 / max, ms", "live p50 / max, ms", "push p50 / max, ms")
    head = ("load", "what became of them", "slowest, s", *probes)
    print(f"\n{SERVER}, {WORKERS} workers of {THREADS} threads\n")
    print(tabulate(rows, (*head, "MiB before, most, after", "recovered, s"), tablefmt="github"))
    return 0


def row(fault: Fault, result: Result) -> tuple[str, ...]:
    became = ", ".join(f"{count} {outcome}" for outcome, count in result.outcomes.most_common())
    weights = ", ".join(f"{each:.0f}" for each in result.megabytes)
    seconds = (f"{result.slowest_seconds:.1f}", f"{result.recovered_seconds:.1f}")
    probes = (str(result.health), str(result.live), str(result.push))
    return fault.name, became, seconds[0], *probes, weights, seconds[1]


if __name__ == "__main__":
    sys.exit(main())
