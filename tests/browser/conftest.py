"""A real Chromium, and pages in it that fail a test for any error they meet."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.console import Api
from tests.service import Service, running

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

NewPage = Callable[..., Page]


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with running() as service:
        yield service


@pytest.fixture(scope="session")
def api(service: Service) -> Iterator[Api]:
    """The API as the admin calls it."""
    api = Api(service)
    yield api
    api.client.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browser_of() as browser:
        yield browser


@contextmanager
def browser_of() -> Iterator[Browser]:
    """The Chromium of this machine."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "there is no Chromium here: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def refusals() -> set[int]:
    """The statuses that a test means to meet, 0 for none at all; Chromium tells of each as an error."""
    return set()


@pytest.fixture
def new_page(browser: Browser, refusals: set[int]) -> Iterator[NewPage]:
    """Makes empty pages, each in a context of its own. What the console tells as an error fails the test: a refused
    script or style, an error that nobody caught, an answer that was not meant.
    """
    errors: list[str] = []
    contexts = []

    def heard(text: str) -> None:
        failed = re.match(r"Failed to load resource: (?:the server responded with a status of (\d+)|net::)", text)
        if failed is None or int(failed[1] or 0) not in refusals:
            errors.append(text)

    def make(**options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        # Another page of the same context is watched, too.
        context.on("console", lambda message: heard(message.text) if message.type in {"error", "warning"} else None)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """One of them."""
    return new_page()
