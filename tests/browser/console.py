"""What the tests of the console share: people to log in, queues to look at, and the page as somebody uses it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
from playwright.sync_api import Page, Route, expect

from tests.service import Service

PASSWORD = "a password for the console"
EVIL = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"


class Api:
    """The API as the admin of `service` calls it."""

    def __init__(self, service: Service) -> None:
        self.client = httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.token()}"})

    def post(self, path: str, json: object | None = None) -> Any:
        return self._checked(self.client.post(path, json=json))

    def get(self, path: str) -> Any:
        return self._checked(self.client.get(path))

    def put(self, path: str, json: object) -> Any:
        return self._checked(self.client.put(path, json=json))

    def push(self, queue: str, *bodies: object, **options: object) -> list[str]:
        ids: list[str] = self.post(
            f"/queues/{queue}/push", {"messages": [{"message": body, **options} for body in bodies]}
        )["ids"]
        return ids

    def kill_off(self, queue: str, count: int, error: str) -> None:
        """Makes dead letters of the next `count` messages."""
        for message in self.post(f"/queues/{queue}/pop", {"max": count, "lease": 30})["messages"]:
            self.post("/nack", {"receipt": message["receipt"], "dead": True, "error": error})

    def add_user(self, name: str, *roles: str, permissions: tuple[str, ...] = ()) -> None:
        user = {"username": name, "password": PASSWORD, "roles": roles, "permissions": permissions}
        assert self.client.post("/users", json=user).status_code in {201, 409}

    def logout_all(self, name: str) -> None:
        """Ends every token of a user."""
        for disabled in (True, False):
            self._checked(self.client.patch(f"/users/{name}", json={"disabled": disabled}))

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        assert answer.status_code < 300, answer.text
        return answer.json()


@contextmanager
def load(api: Api, *queues: str) -> Iterator[None]:
    """Pushes to and pops from `queues` meanwhile, a few dozen messages a second, in waves; acks most of them."""

    def push_and_pop(step: int) -> None:
        wave = 1 + math.sin(step / 60)
        bodies = [{"step": step, "n": number} for number in range(1 + round(2 * wave))]
        api.push(queues[step % len(queues)], *bodies)
        popped = api.post(f"/queues/{queues[step // 2 % len(queues)]}/pop", {"max": 1 + step % 4, "lease": 20})
        if popped["messages"] and step % 7:
            api.post("/ack", {"receipts": [each["receipt"] for each in popped["messages"]]})

    with meanwhile(push_and_pop, every=0.05):
        yield


@contextmanager
def meanwhile(work: Callable[[int], object], *, every: float) -> Iterator[None]:
    """Does `work` with the numbers from 1 on, `every` so many seconds, in a thread."""
    ended = threading.Event()

    def run() -> None:
        for number in count(1):
            if ended.wait(every):
                return
            work(number)

    worker = threading.Thread(target=run)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def open_console(page: Page, service: Service, place: str = "") -> None:
    page.goto(f"{service.url}/console{place}")


def log_in(page: Page, username: str, password: str) -> None:
    page.get_by_label("Name", exact=True).fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def enter(page: Page, service: Service, place: str = "", username: str = "admin") -> None:
    """Opens the console at `place` as somebody who has logged in."""
    open_console(page, service, place)
    admin_password = (service.data_dir / "admin-password").read_text().strip()
    log_in(page, username, admin_password if username == "admin" else PASSWORD)
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def held_in(held: list[Route]) -> Callable[[Route], None]:
    """Keeps requests in `held`, unanswered."""

    def hold(route: Route) -> None:
        held.append(route)

    return hold


def notice(page: Page, text: str) -> None:
    """Waits for a notice with `text`."""
    expect(page.locator("#notices")).to_contain_text(text)


def tile(page: Page, kind: str) -> Any:
    return page.locator(f".tile.{kind} b")
