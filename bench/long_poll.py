"""What waiting costs and how soon a waiter hears: many waiters at many queues, on the real server with two workers.

    python -m bench.long_poll [--waiters 500] [--queues 50] [--pushes 1000] [--hang-ups 200]

First nothing happens for ten seconds: Redis commands a second, and the CPU of server and Redis. Then messages come one
by one: the time from the start of the push to the delivery at some waiter. Last, callers who wait to remove a message
hang up just before one comes: it must still be there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from tests.service import Service

IDLE_SECONDS = 10
BETWEEN_PUSHES = 0.01
THREADS = 640


class Waiters:
    """Callers who wait, each over and over on a connection of its own, and when each number arrived."""

    def __init__(self, service: Service, token: str) -> None:
        host, _, port = service.url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._token = token
        self.arrived: dict[int, float] = {}
        self.refused = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._address)

    def ask(self, writer: asyncio.StreamWriter, queue: str) -> None:
        path = f"/queues/{queue}/pop?wait=20"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: pulpo\r\nAuthorization: Bearer {self._token}\r\nContent-Length: 0\r\n\r\n"
        )
        writer.write(head.encode())

    async def wait_on(self, queue: str) -> None:
        reader, writer = await self.connect()
        with suppress(asyncio.CancelledError):
            while True:
                self.ask(writer, queue)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
                answer = json.loads(await reader.readexactly(int(length.split(b":")[1])))
                self.refused += b"retry-after" in head.lower()
                if answer["id"]:
                    self.arrived[answer["message"]] = time.perf_counter()
        writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"waiters": 500, "queues": 50, "pushes": 1000, "hang-ups": 200}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_WORKERS="2", PULPO_THREADS=str(THREADS))
        try:
            service.start()
            await measure(service, asked)
        finally:
            service.kill()


async def measure(service: Service, asked: argparse.Namespace) -> None:
    token = service.token()
    waiters, queues = Waiters(service, token), [f"bench-{number}" for number in range(asked.queues)]
    print(f"{asked.waiters} waiters at {asked.queues} queues, 2 workers of {THREADS} threads")
    tasks = [asyncio.create_task(waiters.wait_on(queues[number % len(queues)])) for number in range(asked.waiters)]
    await asyncio.sleep(3)
    await show_idle(service)
    async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {token}"}) as client:
        await show_delivery(client, waiters, queues, asked.pushes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await show_hang_ups(client, waiters, asked.hang_ups)


async def show_idle(service: Service) -> None:
    redis = Redis(unix_socket_path=str(next(service.data_dir.rglob("*.sock"))))
    before, cpu_before = redis.info("stats")["total_commands_processed"], cpu_seconds(service)
    await asyncio.sleep(IDLE_SECONDS)
    commands = redis.info("stats")["total_commands_processed"] - before - 1
    connections = redis.info("clients")["connected_clients"] - 1
    busy = {name: 100 * (spent - cpu_before[name]) / IDLE_SECONDS for name, spent in cpu_seconds(service).items()}
    print(f"idle for {IDLE_SECONDS} s: {commands / IDLE_SECONDS:.0f} Redis commands a second (those in scripts too)")
    print(f"  {connections} Redis connections")
    print(f"  CPU of one core: server {busy['server']:.1f} %, Redis {busy['redis']:.1f} %")


def cpu_seconds(service: Service) -> dict[str, float]:
    """As Linux counts it for its scheduler: the times of a process come in ticks of 10 ms, too coarse for who idles."""
    redis = service.redis()
    spent = {process.pid: sum(map(ran_seconds, process.threads())) for process in service.processes()}
    return {"redis": spent.pop(redis.pid), "server": sum(spent.values())}


def ran_seconds(thread: Any) -> float:
    return int(Path(f"/proc/{thread.id}/schedstat").read_text().split()[0]) / 1e9


async def show_delivery(client: httpx.AsyncClient, waiters: Waiters, queues: list[str], pushes: int) -> None:
    started: dict[int, float] = {}
    for number in range(pushes):
        started[number] = time.perf_counter()
        answer = await client.post(f"/queues/{random.choice(queues)}/push", json={"message": number})
        assert answer.status_code == 201, answer.text
        await asyncio.sleep(BETWEEN_PUSHES)
    await asyncio.sleep(2)
    took = sorted(
        (waiters.arrived[number] - start) * 1000 for number, start in started.items() if number in waiters.arrived
    )
    quantiles = statistics.quantiles(took, n=100)
    print(
        f"{len(took)} of {pushes} pushes delivered: p50 {quantiles[49]:.1f} ms, p99 {quantiles[98]:.1f} ms,"
        f" longest {took[-1]:.0f} ms; {waiters.refused} answers said to come back"
    )


async def show_hang_ups(client: httpx.AsyncClient, waiters: Waiters, tries: int) -> None:
    lost = 0
    for number in range(tries):
        _, writer = await waiters.connect()
        waiters.ask(writer, "hang-ups")
        await asyncio.sleep(random.uniform(0.005, 0.05))
        writer.transport.abort()
        await client.post("/queues/hang-ups/push", json={"message": number})
        lost += (await client.post("/queues/hang-ups/pop")).json()["message"] != number
    print(f"{tries} callers hung up while they waited: {lost} messages lost")


if __name__ == "__main__":
    asyncio.run(main())
