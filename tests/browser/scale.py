"""How the console bears 1,000 queues, and a queue of a million messages.

    python -m tests.browser.scale [--queues 1000] [--messages 1000000]

Prints seconds until it can be used, the memory of the page after a collection, and the requests that the page makes
by itself. Exits 1 if something is beyond its bound. docs/how-to/console.md has the figures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import browser_of
from tests.browser.console import Api, enter, meanwhile
from tests.service import running

WATCH_SECONDS = 60
MOST_SECONDS, MOST_MEGABYTES = 2.0, 60.0
MOST_REQUESTS_A_SECOND = 0.55  # one each 2 s, and one more at the edge of what is watched
BATCH = 1_000


class Figures:
    """What was measured, and whether it is within its bounds."""

    def __init__(self) -> None:
        self.is_good = True

    def tell(self, what: str, value: float, unit: str, most: float | None = None) -> None:
        is_beyond = most is not None and value > most
        self.is_good &= not is_beyond
        print(f"{what:58} {value:10.2f} {unit}{f'  beyond {most}' if is_beyond else ''}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queues", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    asked = parser.parse_args(arguments)
    figures = Figures()
    with running() as service, browser_of() as browser:
        api = Api(service)
        fill(api, asked.queues, asked.messages)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        enter(page, service, "#/audit")
        many_queues(page, api, asked.queues, figures)
        many_messages(page, asked.messages, figures)
        api.client.close()
    return 0 if figures.is_good else 1


def fill(api: Api, queues: int, messages: int) -> None:
    for number in range(queues - 1):
        api.push(f"shop-{number % 40:02}.queue-{number:04}", *range(1 + number % 7))
    body = "x" * 98
    for _ in range(messages // BATCH):
        api.push("deep", *[body] * BATCH)


def many_queues(page: Page, api: Api, queues: int, figures: Figures) -> None:
    def open_list() -> None:
        page.reload()
        expect(page.locator(".queues tbody tr")).to_have_count(25)
        expect(page.locator("h1 .number")).to_have_text(f"{queues:,}")

    page.evaluate("location.hash = '#/queues'")
    figures.tell(f"{queues:,} queues: page loaded anew to rows", seconds_of(open_list), "s", MOST_SECONDS)
    search = page.get_by_label("Search by name")

    def find() -> None:
        search.fill("queue-0777")
        expect(page.locator(".queues tbody tr")).to_have_count(1)

    figures.tell("a search, to its row", seconds_of(find), "s", MOST_SECONDS)
    search.fill("")

    def sort() -> None:
        page.get_by_role("columnheader", name="Ready").get_by_role("button").click()
        expect(page.locator(".queues tbody th").first).to_have_text("deep")

    figures.tell("sorted by another column", seconds_of(sort), "s", MOST_SECONDS)
    started = time.perf_counter()
    answer = api.client.get("/queues?details=true&limit=1000")
    figures.tell("GET /queues?details=true: time", time.perf_counter() - started, "s")
    figures.tell("GET /queues?details=true: size", len(answer.content) / 1e3, "kB")
    watch(page, figures, MOST_REQUESTS_A_SECOND, api)


def watch(page: Page, figures: Figures, most_requests: float, api: Api) -> None:
    """What the page does by itself while messages come and go."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate(
        """() => { window.longest = 0; new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
        }).observe({ entryTypes: ["longtask"] }); }"""
    )
    # Slowly: the machine is the browser's, too.
    with meanwhile(lambda number: api.push(f"shop-{number % 40:02}.queue-{number % 40:04}", number), every=0.1):
        page.wait_for_timeout(WATCH_SECONDS * 1000)
    figures.tell("requests a second of the page", len(sent) / WATCH_SECONDS, "/s", most_requests)
    figures.tell("the longest task of the page", page.evaluate("window.longest"), "ms")
    figures.tell("memory of the page after a collection", megabytes_of(page), "MB", MOST_MEGABYTES)
    figures.tell("elements in the page", page.evaluate("document.querySelectorAll('*').length"), "")


def many_messages(page: Page, messages: int, figures: Figures) -> None:
    rows = page.locator(".messages details")
    pages = page.get_by_role("navigation", name="Pages")

    def open_queue() -> None:
        page.evaluate("location.hash = '#/queues/deep/messages'")
        expect(rows).to_have_count(25)
        expect(page.locator(".tile.ready b")).to_have_text(f"{messages:,}")

    figures.tell(f"{messages:,} messages: click to messages and figures", seconds_of(open_queue), "s", MOST_SECONDS)

    def turn() -> None:
        shown = pages.inner_text()
        pages.get_by_role("button", name="Next").click()
        expect(pages).not_to_have_text(shown)

    turns = [seconds_of(turn) for _ in range(20)]
    figures.tell("a page of 25 messages further, the slowest of 20", max(turns), "s", MOST_SECONDS)
    figures.tell("memory of the page after a collection", megabytes_of(page), "MB", MOST_MEGABYTES)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.wait_for_timeout(20_000)
    figures.tell("requests a second of the page", len(sent) / 20, "/s", MOST_REQUESTS_A_SECOND)


def megabytes_of(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    # The points of the charts lie in typed arrays, which V8 keeps beside its heap.
    size: float = usage["usedSize"] + usage["embedderHeapUsedSize"] + usage["backingStorageSize"]
    return size / 1e6


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
