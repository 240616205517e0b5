"""The workers of docs/how-to/workers.md, as a reader would start them, against a real service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.docs.door import Door, opened
from tests.docs.pages import blocks
from tests.service import ROOT, Service, free_port, running, runs, wait_until

PAGE = (ROOT / "docs" / "how-to" / "workers.md").read_text(encoding="utf-8")
LANGUAGES = ("bash", "python", "js", "go")
LEASE_OF_THE_PAGE = re.compile("(lease ?= ?)30(?=;?$)", re.IGNORECASE | re.MULTILINE)
STOP_SECONDS = 10.0  # well below the 20 s of a long poll

Programs = Callable[..., list[str]]


class Queue:
    """A queue with two attempts and hardly a pause between them, as an admin sees it; and a key to pop from it."""

    def __init__(self, admin: httpx.Client, name: str) -> None:
        self.admin = admin
        self.name = name
        self.path = f"/queues/{name}"
        admin.put(self.path, json={"max_attempts": 2, "backoff": {"base": 0.01}}).raise_for_status()
        answer = admin.post("/keys", json={"name": "worker", "permissions": [f"pop:{name}"]})
        self.key: str = answer.raise_for_status().json()["key"]

    def push(self, *messages: object) -> None:
        batch = {"messages": [{"message": message} for message in messages]}
        self.admin.post(f"{self.path}/push", json=batch).raise_for_status()

    def get(self, path: str = "", **options: str) -> Any:
        return self.admin.get(self.path + path, params=options).raise_for_status().json()

    def total(self, name: str) -> int:
        total: int = self.get()["totals"][name]
        return total

    def count(self, state: str) -> int:
        count: int = self.get("/count")[state]
        return count

    def lease_ends(self) -> str:
        """When the lease of the one message that is leased ends; "" if none is."""
        leased = self.get("/messages", state="leased")["messages"]
        ends: str = leased[0]["lease_expires_at"] if leased else ""
        return ends


@contextmanager
def started(program: list[str], queue: Queue, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker at a queue. What it says is shown if the test fails."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PULPO")}
    environ |= {"PULPO": url, "QUEUE": queue.name, "KEY": queue.key}
    with subprocess.Popen(program, env=environ, stdin=subprocess.DEVNULL) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def stopped(worker: subprocess.Popen[bytes]) -> int:
    """Its exit code after a SIGTERM."""
    worker.terminate()
    return worker.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running() as service:
        yield service


@pytest.fixture(scope="module")
def admin(service: Service) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=service.url, headers=headers) as client:
        yield client


@pytest.fixture
def new_queue(admin: httpx.Client) -> Queue:
    return Queue(admin, f"orders-{uuid4()}")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Programs:
    """What starts a worker of the page, perhaps with another lease than the page's."""
    directory = tmp_path_factory.mktemp("workers")
    go_cache = request.config.cache.mkdir("go-build") if request.config.cache else directory

    def program(language: str, *, lease: int = 30) -> list[str]:
        (code,) = blocks(PAGE, language)
        name = re.match(r"(?:#|//) (worker\.\w+):", code)
        assert name, "a worker's first line names its file"
        path = directory / str(lease) / name[1]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            code, leases = LEASE_OF_THE_PAGE.subn(rf"\g<1>{lease}", code)
            assert leases == 1
            path.write_text(code)
        match language:
            case "python":
                return [sys.executable, str(path)]
            case "js":
                return [tool("node", "playwright", "driver"), str(path)]
            case "go":
                return [built(path, go_cache)]
        return ["bash", str(path)]

    return program


def tool(name: str, package: str, directory: str) -> str:
    """The program that a package brings in a directory of its own, or else the one of this machine."""
    spec = find_spec(package)
    for place in (spec and spec.submodule_search_locations) or ():
        if (Path(place) / directory / name).exists():
            return str(Path(place) / directory / name)
    found = shutil.which(name)
    assert found, f"there is no {name}: make test installs it"
    return found


def built(source: Path, cache: Path) -> str:
    """The program that Go makes of `source`, without the network and without optimizing, which takes longer."""
    binary = source.with_suffix("")
    if not binary.exists():
        environ = {"GOCACHE": str(cache), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
        environ |= {"CGO_ENABLED": "0", "GOPATH": str(source.parent), "GOENV": "off", "GOTELEMETRY": "off"}
        command = [
            tool("go", "go", "bin"),
            "build",
            "-gcflags=all=-N -l",
            "-ldflags=-s -w",
            "-o",
            str(binary),
            str(source),
        ]
        made = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    return str(binary)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_worker_acks_what_it_did_and_what_fails_dies_with_the_reason(
    service: Service, program: Programs, language: str, new_queue: Queue
) -> None:
    new_queue.push({"order": 1}, {"order": 2}, {"order": -3}, {"order": 4}, {"order": 5}, {"order": 6})
    with started(program(language), new_queue, service.url) as worker:
        wait_until(lambda: new_queue.total("acked") == 5 and new_queue.count("dead") == 1)
        (letter,) = new_queue.get("/dead")["messages"]
        assert letter["message"] == {"order": -3}
        assert letter["attempts"] == 2
        assert "no such order" in letter["error"]
        wait_until(lambda: new_queue.get()["waiters"] == 1)
        helpers = psutil.Process(worker.pid).children(recursive=True)
        assert stopped(worker) == 0
    wait_until(lambda: not any(map(runs, helpers)), 5)
    assert new_queue.count("leased") == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_worker_keeps_what_takes_long_and_finishes_it_before_it_stops(
    service: Service, program: Programs, language: str, new_queue: Queue
) -> None:
    new_queue.push({"order": 7, "seconds": 4}, {"order": 8})
    with started(program(language, lease=3), new_queue, service.url) as worker:
        wait_until(lambda: new_queue.lease_ends() != "")
        first = new_queue.lease_ends()
        worker.terminate()
        wait_until(lambda: new_queue.lease_ends() > first)
        assert worker.wait(STOP_SECONDS) == 0
    assert (new_queue.total("delivered"), new_queue.total("acked"), new_queue.count("ready")) == (1, 1, 1)


@pytest.fixture(scope="module")
def in_trouble(service: Service, admin: httpx.Client, program: Programs) -> Iterator[Mapping[str, Queue]]:
    """The queues of workers that were started before their service, and then meet a trouble of each kind.

    All at once, since they mostly wait.
    """
    programs = {language: program(language) for language in LANGUAGES}  # before any starts: Go may take long
    queues = {language: Queue(admin, f"in-trouble-{language}") for language in LANGUAGES}
    ports = {language: free_port() for language in LANGUAGES}
    with ExitStack() as stack:
        for language, queue in queues.items():
            queue.push({"order": 1}, {"order": 2})
            stack.enter_context(started(programs[language], queue, f"http://127.0.0.1:{ports[language]}"))
        time.sleep(0.5)  # so that each has tried
        for port in ports.values():
            door = Door(port, admin, {"pop": ["silence"], "ack": ["busy", "theft"]})
            stack.enter_context(opened(door))
        yield queues


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_worker_outlives_every_trouble_and_loses_nothing(in_trouble: Mapping[str, Queue], language: str) -> None:
    queue = in_trouble[language]
    wait_until(lambda: (queue.total("acked"), queue.total("nacked")) == (1, 1), 20)
    queue.push({"order": 3})
    wait_until(lambda: queue.total("acked") == 2)
    # One delivery each, and that of the thief.
    assert queue.total("delivered") == 4
    (stolen,) = queue.get("/messages", state="leased")["messages"]
    assert stolen["message"] == {"order": 1}
