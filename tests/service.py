"""A Pulpo of a test's own: the real launcher, server and Redis on a free port and in a directory of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 20.0
SERVER = os.environ.get("TEST_SERVER", "gunicorn")  # what `make granian` sets


class Service:
    """A Pulpo of our own: `python -m app` in a session of its own, on a free port and a directory of its own."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.log = directory / "log"
        self.environ = environ
        self.working_directory = ROOT
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def launch(self) -> subprocess.Popen[bytes]:
        if self.process is not None:
            self.process.wait(30)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PULPO_")}
        environ |= {"PULPO_BIND": f"127.0.0.1:{port}", "PULPO_DATA_DIR": str(self.data_dir), "PULPO_SERVER": SERVER}
        environ |= self.environ
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app"],
                cwd=self.working_directory,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def start(self) -> None:
        process = self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"Pulpo did not start:\n{self.log.read_text()}")

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """`kill -9` of everything that still runs."""
        if self.process is None:
            return
        processes = self.processes() if self.process.poll() is None else []
        # Keeper and Redis name the directory; they may have outlived the server.
        processes += [process for process in psutil.process_iter() if str(self.data_dir) in _command_of(process)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(10)
        wait_until(lambda: not any(map(runs, processes)))

    def processes(self) -> list[psutil.Process]:
        """The server, its workers, the keeper and Redis: the launcher's process and all below it."""
        assert self.process is not None
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def redis(self) -> psutil.Process:
        return next(process for process in self.processes() if re.search("redis-server|valkey-server", process.name()))

    def token(self) -> str:
        password = (self.data_dir / "admin-password").read_text()
        answer = httpx.post(f"{self.url}/login", data={"username": "admin", "password": password})
        token: str = answer.json()["access_token"]
        return token

    def call(self, path: str, json: object | None = None) -> Any:
        answer = httpx.post(f"{self.url}{path}", json=json, headers={"Authorization": f"Bearer {self.token()}"})
        assert answer.status_code < 300, answer.text
        return answer.json()


@contextmanager
def running(**environ: str) -> Iterator[Service]:
    """A service that was started, in a directory that goes with it."""
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), **environ)
        try:
            service.start()
            yield service
        finally:
            service.kill()


def _command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def runs(process: psutil.Process) -> bool:
    """Whether it runs; what nobody has waited for yet (a zombie) does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


_GIVEN: set[int] = set()


def free_port() -> int:
    """A port that nobody uses now and that no other caller was given."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
