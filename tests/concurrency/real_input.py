"""Pushes real text and real binary files by 8 connections, pops them by 8 others, and compares byte for byte.

    python -m tests.concurrency.real_input [--lines N] [--files N]

Every line of the Python standard library's sources goes in as a JSON string, 100 to a batch (as a raw body where it is
no UTF-8). Binary files of the Python installation go in as raw bodies. Half of the poppers take batches as JSON, half
single messages as raw bytes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Event

import httpx

from tests.service import Service

CONNECTIONS = 8
BATCH = 100
MAX_FILE_BYTES = 262_144
BINARY_ENDINGS = {".so", ".pyc", ".a", ".o", ".exe", ".whl", ".gz", ".zip", ".png", ".gif", ".ico", ".bin"}

Digests = Counter[bytes]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000, help="at most so many lines")
    parser.add_argument("--files", type=int, default=500, help="so many binary files")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_WORKERS="2", PULPO_TOKEN_LIFETIME_SECONDS="86400")
        try:
            service.start()
            return compare(service, list(islice(lines(), asked.lines)), list(islice(binaries(), asked.files)))
        finally:
            service.kill()


def compare(service: Service, texts: list[bytes], files: list[bytes]) -> int:
    """Sends everything through `service`; returns 0 if what came out is what went in."""
    started = time.monotonic()
    headers = {"Authorization": f"Bearer {service.token()}"}
    all_pushed = Event()
    work = [(texts[place::CONNECTIONS], files[place::CONNECTIONS]) for place in range(CONNECTIONS)]
    with ThreadPoolExecutor(2 * CONNECTIONS) as pool:
        poppers = [
            pool.submit(pop_json if place % 2 else pop_raw, service.url, headers, all_pushed)
            for place in range(CONNECTIONS)
        ]
        pushers = [pool.submit(push, service.url, headers, *share) for share in work]
        requests = sum(pusher.result() for pusher in pushers)
        all_pushed.set()
        popped = sum((popper.result() for popper in poppers), Digests())
    pushed = Digests(map(digest, [*texts, *files]))
    seconds = time.monotonic() - started
    if not texts or not files:
        print("there is nothing to send")
        return 1
    missing, surplus = (pushed - popped).total(), (popped - pushed).total()
    size = sum(map(len, [*texts, *files]))
    print(f"{len(texts)} lines and {len(files)} binary files, {size} bytes, in {requests} pushes and {seconds:.1f} s:")
    print(f"{popped.total()} popped, {missing} missing, {surplus} too many")
    return 0 if pushed == popped else 1


def lines() -> Iterator[bytes]:
    """Every line of the standard library's sources, its line end included."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts:
            yield from path.read_bytes().splitlines(keepends=True)


def binaries() -> Iterator[bytes]:
    """Binary files of the Python installation, small enough for a message."""
    for root in dict.fromkeys([sysconfig.get_path("stdlib"), sys.base_prefix, sys.prefix]):
        for path in sorted(Path(root).rglob("*")):
            if path.suffix in BINARY_ENDINGS and path.is_file() and 0 < path.stat().st_size <= MAX_FILE_BYTES:
                yield path.read_bytes()


def push(url: str, headers: dict[str, str], texts: list[bytes], files: list[bytes]) -> int:
    """Pushes a share of everything; returns the number of requests."""
    requests = 0
    with httpx.Client(headers=headers, timeout=30) as client:
        for batch in (texts[at : at + BATCH] for at in range(0, len(texts), BATCH)):
            readable = [text for text in batch if is_utf8(text)]
            if readable:
                body = {"messages": [{"message": text.decode()} for text in readable]}
                client.post(f"{url}/push", json=body).raise_for_status()
                requests += 1
            requests += push_raw(client, url, (text for text in batch if not is_utf8(text)), "text/x-python")
        requests += push_raw(client, url, files, "application/octet-stream")
    return requests


def push_raw(client: httpx.Client, url: str, bodies: Iterable[bytes], content_type: str) -> int:
    requests = 0
    for body in bodies:
        client.post(f"{url}/push", content=body, headers={"Content-Type": content_type}).raise_for_status()
        requests += 1
    return requests


def pop_json(url: str, headers: dict[str, str], all_pushed: Event) -> Digests:
    """Pops batches until everything was pushed and nothing is left."""
    popped = Digests()
    with httpx.Client(headers=headers, timeout=30) as client:
        while True:
            was_last = all_pushed.is_set()
            messages = client.post(f"{url}/pop", json={"max": BATCH}).raise_for_status().json()["messages"]
            popped.update(digest(content_of(item)) for item in messages)
            if not messages and was_last:
                return popped


def pop_raw(url: str, headers: dict[str, str], all_pushed: Event) -> Digests:
    """Pops single messages as bytes until everything was pushed and nothing is left."""
    popped = Digests()
    with httpx.Client(headers=headers | {"Accept": "application/octet-stream"}, timeout=30) as client:
        while True:
            was_last = all_pushed.is_set()
            answer = client.post(f"{url}/pop").raise_for_status()
            if answer.status_code == 200:
                is_json = answer.headers["Pulpo-Content-Type"] == "application/json"
                popped[digest(json.loads(answer.content).encode() if is_json else answer.content)] += 1
            elif was_last:
                return popped


def content_of(item: dict[str, str]) -> bytes:
    return base64.b64decode(item["message"]) if "encoding" in item else item["message"].encode()


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
