"""A TCP proxy in a process of its own, whose connections can be cut and delayed.

It is told what to do by lines of JSON on its standard input: `{"listen": 6400, "to": 6401}` (`to` may be a path),
`{"port": 6400, "delay": 0.2}` (seconds, each way), `{"port": 6400, "cut": "reset"}`, `"silence"` or null. A reset ends
connections and refuses new ones; silence keeps all open and lets nothing through. It answers each line by a line.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import Any, Self

CHUNK_BYTES = 65_536
HOST = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, so that both sides know at once


class Proxies:
    """The process, as those who started it see it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.proxy"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def add(self, port: int, to: int | str) -> None:
        """Listens on `port` for what is at the port or path `to`."""
        self._tell({"listen": port, "to": to})

    def cut(self, port: int, how: str) -> None:
        """`how` is reset or silence; `heal` ends it."""
        self._tell({"port": port, "cut": how})

    def delay(self, port: int, seconds: float) -> None:
        """Lets everything come later by `seconds`, each way."""
        self._tell({"port": port, "delay": seconds})

    def heal(self, port: int) -> None:
        self._tell({"port": port, "cut": None, "delay": 0.0})

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        if not self._process.stdout.readline():
            raise RuntimeError("the proxy has ended")


class _Door:
    """One port and the connections through it."""

    def __init__(self, to: int | str) -> None:
        self._to = to
        self._delay = 0.0
        self._cut: str | None = None
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def change(self, order: dict[str, Any]) -> None:
        self._delay = order.get("delay", self._delay)
        self._cut = order.get("cut", self._cut)
        if self._cut == "silence":
            self._may_pass.clear()
            return
        if self._cut == "reset":
            for writer in list(self._writers):
                _reset(writer)
        self._may_pass.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            await self._may_pass.wait()
            if self._cut is not None:
                return
            far_reader, far = await self._connect()
            self._writers.add(far)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far))
                group.create_task(self._carry(far_reader, writer))
        except* OSError:
            pass
        finally:
            for end in filter(None, (writer, far)):
                self._writers.discard(end)
                _reset(end)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._to, str):
            return await asyncio.open_unix_connection(self._to)
        return await asyncio.open_connection(HOST, self._to)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries until one side ends; what came at one time goes on at one time, in its order."""
        while chunk := await reader.read(CHUNK_BYTES):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._may_pass.wait()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError  # the other direction ends with it: neither Redis nor its clients close half


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.close()


async def _obey() -> None:
    doors: dict[int, _Door] = {}
    servers: list[asyncio.Server] = []
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        if "listen" in order:
            door = doors[order["listen"]] = _Door(order["to"])
            servers.append(await asyncio.start_server(door.serve, HOST, order["listen"], backlog=512))
        else:
            doors[order["port"]].change(order)
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_obey())
