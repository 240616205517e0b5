"""Calls every route of a running Pulpo, rightly and wrongly, and prints what it answered as a Markdown table.

    PULPO_PASSWORD=… python scripts/route_table.py http://127.0.0.1:8000 --username admin \
        --limited-username reader --limited-password-file reader.txt

The limited user may have no more than `pop:orders.*`; `flask --app wsgi users add` makes it. The messages go through
the queues `default` and `route-table`: call no service whose `default` holds anything of value.
Exits 1 if an answer is a 500 or not what the table expects.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

JSON = "application/json"
REVOKED_WITHIN_SECONDS = 5
OCTETS = "application/octet-stream"
FORM = "application/x-www-form-urlencoded"
QUEUE = "/queues/route-table"
NO_SUCH_ID = "00000000-0000-7000-8000-000000000000"
NO_SUCH_RECEIPT = "A" * 43 + ".route-table"
DEEP = b'{"message":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

# Where a call without a token, and one without the permission, are refused.
GUARDED = [
    ("GET", "/info", True),
    ("GET", "/metrics", True),
    ("GET", "/me", False),
    ("POST", "/logout", False),
    ("POST", "/push", True),
    ("POST", f"{QUEUE}/push", True),
    ("POST", "/pop", True),
    ("POST", f"{QUEUE}/pop", True),
    ("GET", "/count", True),
    ("GET", f"{QUEUE}/count", True),
    ("POST", "/ack", False),
    ("POST", "/nack", False),
    ("POST", "/extend", False),
    ("GET", QUEUE, True),
    ("PUT", QUEUE, True),
    ("GET", "/queues", False),
    ("PATCH", QUEUE, True),
    ("DELETE", QUEUE, True),
    ("POST", f"{QUEUE}/purge", True),
    ("POST", f"{QUEUE}/pause", True),
    ("POST", f"{QUEUE}/resume", True),
    ("GET", f"{QUEUE}/messages", True),
    ("GET", f"{QUEUE}/dead", True),
    ("GET", f"{QUEUE}/dead/{NO_SUCH_ID}", True),
    ("DELETE", f"{QUEUE}/dead/{NO_SUCH_ID}", True),
    ("POST", f"{QUEUE}/redrive", True),
    ("POST", "/me/password", False),
    ("GET", "/users", True),
    ("POST", "/users", True),
    ("GET", "/users/limited", True),
    ("PATCH", "/users/limited", True),
    ("DELETE", "/users/limited", True),
    ("GET", "/keys", False),
    ("POST", "/keys", False),
    ("DELETE", "/keys/none", False),
    ("GET", "/audit", True),
]


class Answer(NamedTuple):
    """What came back; `code` is that of a problem, else empty."""

    status: int
    code: str
    content: Any


class Case(NamedTuple):
    """A call and the status it should get."""

    route: str
    name: str
    expected: int
    answer: Answer


class Service:
    """A running Pulpo, over one connection a call."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = "",
    ) -> Answer:
        headers = {"Content-Type": content_type} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Accept": accept} if accept else {}
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=30)
        try:
            connection.request(method, self._url.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            content = _content(response.read(), response.headers.get_content_type())
            code = content.get("code", "") if isinstance(content, dict) else ""
            return Answer(response.status, code, content)
        finally:
            connection.close()

    def login(self, username: str, password: str) -> Answer:
        body = json.dumps({"username": username, "password": password}).encode()
        return self.call("POST", "/login", body=body)


class Credentials(NamedTuple):
    """A user's name and password."""

    username: str
    password: str


def main() -> int:
    """Prints the table; returns the exit status."""
    url, admin, limited = _arguments()
    failed = 0
    print("| route | case | status | code |\n|---|---|---|---|")
    for case in cases(Service(url), admin, limited):
        is_good = case.answer.status == case.expected
        failed += not is_good
        status = str(case.answer.status) if is_good else f"**{case.answer.status}, not {case.expected}**"
        print(f"| `{case.route}` | {case.name} | {status} | {case.answer.code or '–'} |")
    print(f"\n{failed} answers were not as expected." if failed else "\nEvery answer was as expected.")
    return 1 if failed else 0


def cases(service: Service, admin: Credentials, limited: Credentials) -> Iterator[Case]:
    """Makes every call, in an order in which each finds what it needs."""
    token, narrow = _token(service, admin), _token(service, limited)
    yield from _open_cases(service, admin)
    yield from _guarded_cases(service, narrow)
    yield from _good_cases(service, token)
    yield from _push_faults(service, token)
    yield from _pop_faults(service, token)
    yield from _settle_faults(service, token, narrow)
    yield from _queue_cases(service, token)
    yield from _dead_cases(service, token)
    yield from _catalog_cases(service, token)
    yield Case("GET /info", "good", 200, service.call("GET", "/info", token=token))
    yield Case("GET /me", "good", 200, service.call("GET", "/me", token=token))
    yield Case("GET /metrics", "good", 200, service.call("GET", "/metrics", token=token))
    yield Case("POST /logout", "good", 200, service.call("POST", "/logout", token=token))
    time.sleep(REVOKED_WITHIN_SECONDS)  # another process may trust it that long
    yield Case("GET /me", "token logged out", 401, service.call("GET", "/me", token=token))


def _open_cases(service: Service, admin: Credentials) -> Iterator[Case]:
    for path in ("/", "/health", "/health/live"):
        yield Case(f"GET {path}", "good", 200, service.call("GET", path))
        yield Case(f"POST {path}", "wrong method", 405, service.call("POST", path))
    yield Case("GET /nowhere", "unknown path", 404, service.call("GET", "/nowhere"))
    yield Case("POST /login", "good", 200, service.login(*admin))
    yield Case("POST /login", "wrong password", 401, service.login(admin.username, "wrong"))
    yield Case("POST /login", "wrong name", 401, service.login("nobody-of-this-name", "wrong"))
    yield Case("POST /login", "empty body", 422, service.call("POST", "/login", body=b""))
    yield Case("POST /login", "not JSON", 400, service.call("POST", "/login", body=b"{"))
    yield Case(
        "POST /login", "a password that is a number", 422, service.call("POST", "/login", body=b'{"password":1}')
    )
    yield Case("POST /login", "over 16 KiB", 413, service.call("POST", "/login", body=b"x" * 20_000))


def _guarded_cases(service: Service, narrow: str) -> Iterator[Case]:
    for method, path, has_permission in GUARDED:
        route = f"{method} {path}"
        yield Case(route, "no token", 401, service.call(method, path))
        yield Case(route, "junk token", 401, service.call(method, path, token="junk"))
        if has_permission:
            yield Case(route, "permission missing", 403, service.call(method, path, token=narrow))


def _good_cases(service: Service, token: str) -> Iterator[Case]:
    def post(name: str, expected: int, path: str, body: bytes = b"", **more: str) -> Case:
        return Case(f"POST {path}", name, expected, service.call("POST", path, token=token, body=body, **more))

    yield post("good", 201, "/push", b'{"message":1}')
    yield post("good", 200, "/pop")
    yield post("one message", 201, f"{QUEUE}/push", b'{"message":{"order":42}}')
    yield post("several messages", 201, f"{QUEUE}/push", b'{"messages":[{"message":1},{"message":2}]}')
    yield post("raw text", 201, f"{QUEUE}/push", b"hello", content_type="text/plain")
    yield post("delayed by the query", 201, f"{QUEUE}/push?delay=1", b'{"message":1}')
    yield Case(f"GET {QUEUE}/count", "good", 200, service.call("GET", f"{QUEUE}/count", token=token))
    yield Case("GET /count", "good", 200, service.call("GET", "/count", token=token))
    yield post("raw bytes out", 200, f"{QUEUE}/pop", accept=OCTETS)
    leased = post("leased", 200, f"{QUEUE}/pop", b'{"lease":30}')
    yield leased
    receipt = json.dumps({"receipt": leased.answer.content.get("receipt", "")}).encode()
    yield post("good", 200, "/ack", receipt)
    yield post("a second time", 404, "/ack", receipt)
    yield post("several, one of them junk", 200, "/ack", b'{"receipts":["junk"]}')
    yield post("the rest", 200, f"{QUEUE}/pop", b'{"max":1000}')
    yield post("empty", 200, "/queues/route-table.empty/pop")
    yield post("empty, raw", 204, "/queues/route-table.empty/pop", accept=OCTETS)


def _push_faults(service: Service, token: str) -> Iterator[Case]:
    path = f"{QUEUE}/push"
    too_many = b'{"messages":[' + b",".join([b'{"message":1}'] * 1001) + b"]}"
    for name, expected, body in (
        ("not JSON", 400, b"{"),
        ("not UTF-8", 400, b'{"message":"\xff"}'),
        ("100,000 brackets", 400, DEEP),
        ("empty body", 422, b""),
        ("a list", 422, b"[]"),
        ("an unknown field", 422, b'{"message":1,"dealy":1}'),
        ("a delay below 0", 422, b'{"message":1,"delay":-1}'),
        ("a ttl of 0", 422, b'{"message":1,"ttl":0}'),
        ("an unknown priority", 422, b'{"message":1,"priority":"urgent"}'),
        ("a group with a delay", 422, b'{"message":1,"group":"g","delay":1}'),
        ("an attribute that is a number", 422, b'{"message":1,"attributes":{"a":1}}'),
        ("1,001 messages", 422, too_many),
        ("one bad item", 422, b'{"messages":[{"message":1},{"delay":1}]}'),
        ("over 1 MiB", 413, b'{"message":"' + b"x" * 1_100_000 + b'"}'),
    ):
        yield Case(f"POST {path}", name, expected, service.call("POST", path, token=token, body=body))
    answer = service.call("POST", path, token=token, body=b'{"message":1}', content_type=FORM)
    yield Case(f"POST {path}", "JSON as a form", 415, answer)
    answer = service.call("POST", f"{path}?delay=1", token=token, body=b'{"message":1,"delay":1}')
    yield Case(f"POST {path}", "delay in body and query", 422, answer)
    answer = service.call("POST", "/queues/-bad/push", token=token, body=b'{"message":1}')
    yield Case("POST /queues/-bad/push", "bad name", 422, answer)


def _pop_faults(service: Service, token: str) -> Iterator[Case]:
    path = f"{QUEUE}/pop"
    for name, expected, body in (
        ("not JSON", 400, b"{"),
        ("max 0", 422, b'{"max":0}'),
        ("max 1,001", 422, b'{"max":1001}'),
        ("lease 0", 422, b'{"lease":0}'),
        ("an unknown field", 422, b'{"leese":1}'),
    ):
        yield Case(f"POST {path}", name, expected, service.call("POST", path, token=token, body=body))
    answer = service.call("POST", f"{path}?lease=nan", token=token)
    yield Case(f"POST {path}", "lease nan", 422, answer)
    answer = service.call("POST", f"{path}?max=2", token=token, accept=OCTETS)
    yield Case(f"POST {path}", "several as raw bytes", 406, answer)
    answer = service.call("GET", f"{QUEUE}/count?a=1&a=2", token=token)
    yield Case(f"GET {QUEUE}/count", "an option twice", 422, answer)


def _settle_faults(service: Service, token: str, narrow: str) -> Iterator[Case]:
    for path, more in (("/ack", {}), ("/nack", {"delay": 0}), ("/extend", {"lease": 30})):
        unknown = json.dumps({"receipt": NO_SUCH_RECEIPT} | more).encode()
        for name, expected, body in (
            ("not JSON", 400, b"{"),
            ("empty body", 422, b""),
            ("no receipt at all", 422, json.dumps({"receipt": "junk"} | more).encode()),
            ("an unknown field", 422, json.dumps({"receipts": ["junk"], "x": 1} | more).encode()),
            ("a receipt never given", 404, unknown),
        ):
            yield Case(f"POST {path}", name, expected, service.call("POST", path, token=token, body=body))
        answer = service.call("POST", path, token=narrow, body=unknown)
        yield Case(f"POST {path}", "a receipt of a foreign queue", 403, answer)
    answer = service.call("POST", "/extend", token=token, body=b'{"receipt":"junk","lease":43201}')
    yield Case("POST /extend", "a lease of more than 12 hours", 422, answer)
    answer = service.call("POST", "/nack", token=token, body=b'{"receipt":"junk","delay":-1}')
    yield Case("POST /nack", "a delay below 0", 422, answer)


def _queue_cases(service: Service, token: str) -> Iterator[Case]:
    for name, expected, body in (
        ("good", 200, b'{"max_attempts":3}'),
        ("not JSON", 400, b"{"),
        ("an attempt too few", 422, b'{"max_attempts":0}'),
        ("an unknown field", 422, b'{"x":1}'),
    ):
        yield Case(f"PUT {QUEUE}", name, expected, service.call("PUT", QUEUE, token=token, body=body))
    yield Case(f"GET {QUEUE}", "good", 200, service.call("GET", QUEUE, token=token))
    path = "/queues/route-table.none"
    yield Case(f"GET {path}", "no such queue", 404, service.call("GET", path, token=token))


def _dead_cases(service: Service, token: str) -> Iterator[Case]:
    def call(name: str, expected: int, method: str, path: str, body: bytes | None = None) -> Case:
        return Case(f"{method} {path}", name, expected, service.call(method, path, token=token, body=body))

    def buried() -> Case:
        service.call("POST", f"{QUEUE}/push", token=token, body=b'{"message":1}')
        leased = service.call("POST", f"{QUEUE}/pop", token=token, body=b'{"lease":30}')
        body = json.dumps({"receipt": leased.content["receipt"], "dead": True, "error": "bad"}).encode()
        return call("to the dead letters", 200, "POST", "/nack", body)

    letter = buried()
    yield letter
    path = f"{QUEUE}/dead"
    one = f"{path}/{letter.answer.content['id']}"
    yield call("good", 200, "GET", path)
    yield call("limit 0", 422, "GET", f"{path}?limit=0")
    yield call("junk cursor", 422, "GET", f"{path}?cursor=junk")
    yield call("good", 200, "GET", one)
    yield call("good", 200, "DELETE", one)
    yield call("a second time", 404, "DELETE", one)
    yield call("no id", 404, "GET", f"{path}/junk")
    yield buried()
    yield call("good", 200, "POST", f"{QUEUE}/redrive")
    yield call("junk ids", 422, "POST", f"{QUEUE}/redrive", b'{"ids":["junk"]}')
    yield call("no such queue", 404, "POST", "/queues/route-table.none/redrive")


def _catalog_cases(service: Service, token: str) -> Iterator[Case]:
    def call(name: str, expected: int, method: str, path: str, body: bytes | None = None) -> Case:
        return Case(f"{method} {path}", name, expected, service.call(method, path, token=token, body=body))

    yield call("good", 200, "GET", "/queues")
    yield call("limit 0", 422, "GET", "/queues?limit=0")
    yield call("junk cursor", 422, "GET", "/queues?cursor=junk")
    yield call("good", 200, "PATCH", QUEUE, b'{"lease":60,"ttl":null}')
    yield call("an attempt too few", 422, "PATCH", QUEUE, b'{"max_attempts":0}')
    yield call("a list", 422, "PATCH", QUEUE, b"[]")
    for state in ("ready", "delayed", "leased", "dead"):
        yield call(f"good, {state}", 200, "GET", f"{QUEUE}/messages?state={state}")
    yield call("unknown state", 422, "GET", f"{QUEUE}/messages?state=gone")
    yield call("junk cursor", 422, "GET", f"{QUEUE}/messages?cursor=junk")
    yield call("good", 200, "POST", f"{QUEUE}/pause", b'{"operation":"push"}')
    yield call("while pushes are paused", 409, "POST", f"{QUEUE}/push", b'{"message":1}')
    yield call("until a time that is over", 422, "POST", f"{QUEUE}/pause", b'{"until":"2020-01-01T00:00:00Z"}')
    yield call("good", 200, "POST", f"{QUEUE}/resume")
    yield call("unknown operation", 422, "POST", f"{QUEUE}/resume", b'{"operation":"count"}')
    yield call("without confirm", 422, "POST", f"{QUEUE}/purge")
    yield call("good", 200, "POST", f"{QUEUE}/purge?confirm=route-table&state=ready")
    yield call("confirm of another", 422, "DELETE", f"{QUEUE}?confirm=other")
    yield call("good", 200, "DELETE", f"{QUEUE}?confirm=route-table")
    yield call("a second time", 404, "DELETE", f"{QUEUE}?confirm=route-table")
    for method, path in (("PATCH", ""), ("POST", "/pause"), ("POST", "/resume"), ("GET", "/messages")):
        yield call("no such queue", 404, method, QUEUE + path)
    yield call("no such queue", 404, "POST", f"{QUEUE}/purge?confirm=route-table")


def _token(service: Service, user: Credentials) -> str:
    answer = service.login(*user)
    if answer.status != 200:
        sys.exit(f"{user.username} cannot log in: {answer.status} {answer.code}")
    return str(answer.content["access_token"])


def _content(body: bytes, content_type: str) -> Any:
    return json.loads(body) if body and content_type.endswith("json") else {}


def _arguments() -> tuple[str, Credentials, Credentials]:
    parser = argparse.ArgumentParser(description="Calls every route of a running Pulpo and prints what it answers.")
    parser.add_argument("url")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--password-file", type=Path, help="else $PULPO_PASSWORD")
    parser.add_argument("--limited-username", default="limited")
    parser.add_argument("--limited-password-file", type=Path, help="else $PULPO_LIMITED_PASSWORD")
    given = parser.parse_args()
    return (
        given.url,
        Credentials(given.username, _password(given.password_file, "PULPO_PASSWORD")),
        Credentials(given.limited_username, _password(given.limited_password_file, "PULPO_LIMITED_PASSWORD")),
    )


def _password(file: Path | None, variable: str) -> str:
    password = file.read_text(encoding="utf-8").rstrip("\r\n") if file else os.environ.get(variable, "")
    return password or sys.exit(f"Give a password file, or set {variable}.")


if __name__ == "__main__":
    sys.exit(main())
