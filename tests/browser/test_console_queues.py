"""All queues at a glance: live, found, sorted, and quiet when nobody looks or the service is in trouble."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.console import EVIL, Api, enter, load, log_in, notice, tile
from tests.service import Service


@pytest.fixture(autouse=True)
def _queues(api: Api) -> None:
    if not any(each["queue"] == "list.first" for each in api.get("/queues")["queues"]):
        api.push("list.first", 1, 2, 3)
        api.push("list.second", *range(40))
        api.push("list.third", 1, delay=600)
        api.kill_off("list.second", 2, "no such thing")
        api.post("/queues/list.third/pause", {"operation": "push"})


def names(page: Page) -> list[str]:
    return page.locator(".queues tbody th a").all_inner_texts()


def asks(page: Page, pattern: str) -> list[tuple[float, str]]:
    """When the page sends requests whose path fits, from now on."""
    sent: list[tuple[float, str]] = []

    def note(request: Request) -> None:
        if re.search(pattern, request.url):
            sent.append((time.monotonic(), request.url))

    page.on("request", note)
    return sent


def test_each_queue_is_shown_with_what_it_holds(page: Page, service: Service) -> None:
    enter(page, service)
    row = page.get_by_role("row", name="list.second")
    cells = row.get_by_role("cell")
    expect(cells.nth(0)).to_have_text("38")
    expect(cells.nth(3)).to_have_text("2")
    expect(page.get_by_role("row", name="list.third")).to_contain_text("push paused")
    expect(page.get_by_role("row", name="list.third").get_by_role("cell").nth(1)).to_have_text("1")


def test_figures_and_charts_move_under_load(page: Page, service: Service, api: Api) -> None:
    enter(page, service)
    page.get_by_label("Search by name").fill("busy")
    with load(api, "busy.one", "busy.two"):
        row = page.get_by_role("row", name="busy.one")
        expect(row).to_be_visible(timeout=10_000)
        line = row.locator("svg.pushed .line")
        expect(line).to_have_attribute("d", re.compile("L"), timeout=10_000)
        rate = row.get_by_role("cell").nth(5)
        expect(rate).to_have_text(re.compile(r"^[1-9][\d.]*$"))
        before = tile(page, "ready").inner_text(), line.get_attribute("d")
        expect(tile(page, "ready")).not_to_have_text(before[0], timeout=10_000)
        expect(line).not_to_have_attribute("d", before[1] or "", timeout=10_000)
        expect(tile(page, "pushed")).to_have_text(re.compile(r"^[1-9][\d.]*$"))
    expect(page.locator("#top .status")).to_have_text("Live")


def test_a_queue_is_found_by_a_part_of_its_name(page: Page, service: Service) -> None:
    enter(page, service)
    page.get_by_label("Search by name").fill("LIST.")
    expect(page.locator(".queues tbody tr")).to_have_count(3)
    page.get_by_label("Which queues").select_option("Paused")
    assert names(page) == ["list.third"]
    page.get_by_label("Which queues").select_option("With dead letters")
    assert names(page) == ["list.second"]


def test_the_heads_of_the_table_sort_it(page: Page, service: Service) -> None:
    enter(page, service)
    page.get_by_label("Search by name").fill("list.")
    expect(page.locator(".queues tbody tr")).to_have_count(3)
    head = page.get_by_role("columnheader", name="Ready")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(page) == ["list.second", "list.first", "list.third"]
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(page) == ["list.third", "list.first", "list.second"]


def test_what_is_searched_for_is_there_after_a_look_at_a_queue(page: Page, service: Service) -> None:
    enter(page, service)
    page.get_by_label("Search by name").fill("list.sec")
    page.get_by_role("link", name="list.second").click()
    expect(page.get_by_role("heading", name="list.second")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search by name")).to_have_value("list.sec")
    assert names(page) == ["list.second"]


def test_a_queue_that_is_not_there_yet_can_be_made_by_a_first_push(
    page: Page, service: Service, refusals: set[int]
) -> None:
    refusals.add(404)
    enter(page, service)
    expect(page.locator("#top .status")).to_have_text("Live")
    page.get_by_label("Search by name").fill("brand-new")
    page.get_by_role("link", name="Go to “brand-new”").click()
    expect(page.get_by_text("This queue does not exist.")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_be_hidden()
    page.get_by_role("button", name="Push", exact=True).click()
    notice(page, "Pushed:")
    expect(tile(page, "ready")).to_have_text("1")
    expect(page.get_by_role("button", name="Delete")).to_be_visible()


def test_a_search_and_an_address_with_html_in_them_are_text(page: Page, service: Service) -> None:
    enter(page, service)
    page.get_by_label("Search by name").fill(EVIL)
    expect(page.get_by_text("No queue fits.")).to_be_visible()
    page.goto(f"{service.url}/console#/queues/{'%3Cimg%20src=x%20onerror=alert(1)%3E'}/messages")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()  # no queue has such a name
    assert page.locator("main img").count() == 0


def test_one_request_at_a_time_asks_for_all_queues(page: Page, service: Service) -> None:
    enter(page, service)
    expect(page.locator("#top .status")).to_have_text("Live")
    sent = asks(page, "")
    page.wait_for_timeout(6500)
    assert 1 <= len(sent) <= 4
    assert all(re.search(r"/queues\?details=true&limit=1000$", url) for _, url in sent)


def test_a_hidden_page_asks_for_nothing_and_one_that_comes_back_asks_at_once(page: Page, service: Service) -> None:
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    enter(page, service)
    expect(page.locator("#top .status")).to_have_text("Live")
    page.evaluate(hide, True)
    page.wait_for_timeout(300)  # what was under way may end
    sent = asks(page, "")
    page.wait_for_timeout(4500)
    assert sent == []
    with page.expect_request("**/queues?*", timeout=1000):
        page.evaluate(hide, False)


def test_a_service_in_trouble_is_told_of_and_asked_as_it_wishes(
    page: Page, service: Service, refusals: set[int]
) -> None:
    refusals.add(503)
    enter(page, service)
    expect(page.locator("#top .status")).to_have_text("Live")

    def refuse(route: Route) -> None:
        problem = '{"code": "store-unavailable", "status": 503, "detail": "Redis does not answer."}'
        route.fulfill(status=503, content_type="application/problem+json", body=problem, headers={"Retry-After": "6"})

    page.route("**/queues?*", refuse)
    expect(page.locator("#top .status")).to_contain_text("Redis or the user table does not answer. Trying again in")
    sent = asks(page, r"/queues\?")
    page.wait_for_timeout(3500)
    assert sent == []
    expect(page.get_by_role("row", name="list.first")).to_be_visible()  # what was seen stays
    page.unroute("**/queues?*")
    expect(page.locator("#top .status")).to_have_text("Live", timeout=15_000)


def test_an_answer_that_is_not_from_pulpo_is_borne(page: Page, service: Service) -> None:
    enter(page, service)
    expect(page.locator("#top .status")).to_have_text("Live")
    page.route("**/queues?*", lambda route: route.fulfill(status=200, body="<html>", content_type="text/html"))
    expect(page.locator("#top .status")).to_contain_text("Something failed in Pulpo or before it.", timeout=10_000)


def test_a_service_that_is_gone_is_told_of_and_found_again(page: Page, service: Service, refusals: set[int]) -> None:
    refusals.add(0)
    enter(page, service)
    expect(page.locator("#top .status")).to_have_text("Live")
    page.context.set_offline(True)
    expect(page.locator("#top .status")).to_contain_text("Pulpo does not answer. Trying again in", timeout=10_000)
    page.context.set_offline(False)
    expect(page.locator("#top .status")).to_have_text("Live", timeout=15_000)


def test_a_queue_can_be_gone_to_by_its_name_though_others_fit(page: Page, service: Service, api: Api) -> None:
    api.push("prefix.long", 1)
    enter(page, service)
    page.get_by_label("Search by name").fill("prefix")
    expect(page.get_by_role("link", name="prefix.long")).to_be_visible()
    expect(page.get_by_role("link", name="Go to “prefix”, which does not exist yet")).to_be_visible()
    page.get_by_label("Search by name").fill("prefix.long")
    expect(page.get_by_role("link", name="Go to")).to_have_count(0)
    page.get_by_label("Which queues").select_option("Paused")
    expect(page.get_by_role("link", name="Go to “prefix.long”", exact=True)).to_be_visible()


def test_what_was_searched_for_is_gone_with_whoever_did(page: Page, service: Service) -> None:
    enter(page, service)
    page.get_by_label("Search by name").fill("a customer's name")
    page.get_by_role("button", name="Log out").click()
    log_in(page, "admin", (service.data_dir / "admin-password").read_text().strip())
    expect(page.get_by_label("Search by name")).to_have_value("")


def test_every_figure_of_a_queue_has_a_small_chart(page: Page, service: Service, api: Api) -> None:
    api.push("charted.all", *range(3))
    api.push("charted.all", 1, delay=600)
    api.kill_off("charted.all", 1, "by hand")
    api.post("/queues/charted.all/pop", {"lease": 600})
    enter(page, service)
    page.get_by_label("Search by name").fill("charted.all")
    row = page.get_by_role("row", name="charted.all")
    for kind in ("ready", "delayed", "leased", "dead", "oldest"):
        expect(row.locator(f"svg.{kind} .line")).to_have_attribute("d", re.compile("L"))
    page.get_by_role("link", name="charted.all", exact=True).click()
    for kind in ("ready", "delayed", "leased", "dead", "oldest"):
        expect(page.locator(f".tile.{kind} svg .line")).to_have_attribute("d", re.compile("L"))
