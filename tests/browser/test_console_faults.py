"""The console where things go wrong: hasty hands, slow and strange answers, addresses of no queue, heavy messages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.console import PASSWORD, Api, enter, held_in
from tests.service import Service


@pytest.mark.parametrize("by", ["a double click", "a held Enter"])
def test_what_is_pressed_twice_in_haste_is_done_once(page: Page, service: Service, api: Api, by: str) -> None:
    queue = f"faults.{by.replace(' ', '-')}"
    api.put(f"/queues/{queue}", {})
    enter(page, service, f"#/queues/{queue}/try")
    for name, told in (("Push", page.locator("#notices")), ("Pop", page.locator(".result"))):
        button = page.get_by_role("button", name=name, exact=True)
        if by == "a double click":
            button.dblclick(delay=60)
        else:
            button.focus()
            for _ in range(6):
                page.keyboard.down("Enter")
                page.wait_for_timeout(60)
            page.keyboard.up("Enter")
        expect(told).not_to_be_empty()
    page.wait_for_timeout(300)
    totals = api.get(f"/queues/{queue}")["totals"]
    assert (totals["pushed"], totals["delivered"]) == (1, 1)


def test_a_slow_answer_is_never_shown_as_what_was_chosen_since(page: Page, service: Service, api: Api) -> None:
    api.push("faults.slow", "ready one")
    api.push("faults.slow", "later one", delay=600)
    enter(page, service, "#/queues/faults.slow/messages")
    shown = page.locator(".messages")
    expect(shown).to_contain_text("ready one")
    held: list[Route] = []
    page.route("**/messages?state=ready*", held_in(held))
    page.get_by_role("button", name="Refresh").click()
    page.get_by_label("State").select_option("Delayed")
    expect(shown).to_contain_text("later one")
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    expect(shown).to_contain_text("later one")


def test_a_number_that_is_none_is_not_saved_as_no_number(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/faults.number", {"lease": 77})
    enter(page, service, "#/queues/faults.number/settings")
    lease = page.get_by_label("Lease (s)")
    lease.fill("")
    lease.press_sequentially("5e")
    page.get_by_role("button", name="Save").click()
    page.wait_for_timeout(300)
    assert api.get("/queues/faults.number")["settings"]["lease"] == 77
    expect(lease).to_be_focused()


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "%2e%2e%2fdead", "a b", "-x"])
def test_an_address_that_names_no_queue_leads_to_the_list(page: Page, service: Service, name: str) -> None:
    enter(page, service, f"#/queues/{name}/try")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()


def test_a_refusal_of_everything_is_not_answered_with_a_storm(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(403)
    enter(page, service)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(re.compile(r"/(me|queues)\b"), lambda route: route.fulfill(status=403, body="<h1>Forbidden</h1>"))
    page.reload()
    page.wait_for_timeout(2000)
    assert len([each for each in asked if each.endswith("/me")]) <= 2
    expect(page.get_by_text("Something failed in Pulpo or before it.")).to_be_visible()


def test_an_answer_about_who_was_here_before_is_not_about_who_is_here_now(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(403)
    api.add_user("gone", "admin")
    api.add_user("come", "viewer")
    api.push("faults.people", 1)
    enter(page, service, "#/queues/faults.people/dead", "gone")
    page.route("**/purge?*", lambda route: route.fulfill(status=403, json={"code": "forbidden", "detail": "No."}))
    held: list[Route] = []
    page.route("**/me", held_in(held))
    page.get_by_role("button", name="Purge").click()
    page.get_by_label("Type faults.people").fill("faults.people")
    page.get_by_role("dialog").get_by_role("button", name="Purge").click()
    expect(page.locator("#notices")).to_contain_text("No.")
    page.unroute("**/me")
    assert len(held) == 1
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    held[0].fulfill(json={"username": "gone", "roles": ["admin"], "permissions": ["admin", "count:*", "manage:*"]})
    page.wait_for_timeout(300)
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("come")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".who")).to_have_text("come")


@pytest.mark.parametrize("answer", ["null", "{}", "[]", '{"queues": null}', "<h1>hello</h1>"])
def test_an_answer_that_is_not_pulpos_is_told_and_asked_for_again(page: Page, service: Service, answer: str) -> None:
    enter(page, service)
    expect(page.get_by_role("status").first).to_have_text("Live")
    page.route("**/queues?*", lambda route: route.fulfill(body=answer, content_type="application/json"))
    expect(page.get_by_role("status").first).to_contain_text("Something failed", timeout=10_000)
    page.unroute("**/queues?*")
    expect(page.get_by_role("status").first).to_have_text("Live", timeout=10_000)


@pytest.mark.parametrize("seconds", ["99999999999", "Infinity", "-5"])
def test_no_length_of_rest_makes_the_page_ask_at_once(
    page: Page, service: Service, refusals: set[int], seconds: str
) -> None:
    refusals.add(503)
    enter(page, service)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": seconds}, json={"code": "overloaded"})

    page.route("**/queues?*", refuse)
    expect(page.get_by_role("status").first).to_contain_text("too much to do", timeout=10_000)
    page.wait_for_timeout(1500)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "problem", [None, 7, {"code": "toString"}, {"code": "__proto__", "detail": ["a"]}, {"errors": "none"}, "{"]
)
def test_a_strange_refusal_is_told_all_the_same(
    page: Page, service: Service, api: Api, refusals: set[int], problem: object
) -> None:
    refusals.add(422)
    api.put("/queues/faults.strange", {})
    enter(page, service, "#/queues/faults.strange/try")
    body = problem if problem == "{" else json.dumps(problem)
    page.route("**/push", lambda route: route.fulfill(status=422, body=str(body)))
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.locator("#notices")).not_to_be_empty()


def test_a_deep_and_wide_message_is_opened_at_once(page: Page, service: Service, api: Api) -> None:
    wide = "[" * 120 + ",".join("0" * 100_000) + "]" * 120
    push = '{"message": ' + wide + "}"
    headers = {"Content-Type": "application/json"}
    api.client.post("/queues/faults.wide/push", content=push, headers=headers).raise_for_status()
    enter(page, service, "#/queues/faults.wide/messages")
    page.locator(".messages summary").click()
    expect(page.get_by_label("The message")).to_be_visible()
    expect(page.get_by_role("button", name="Show all (200.2 kB)")).to_be_visible()


def test_the_row_that_has_the_focus_keeps_it_when_rows_change_places(page: Page, service: Service, api: Api) -> None:
    api.push("focus.one", *range(2))
    api.push("focus.two", *range(5))
    enter(page, service)
    page.get_by_label("Search by name").fill("focus.")
    page.get_by_label("Sort by").evaluate(
        "(node) => { node.value = 'ready down'; node.dispatchEvent(new Event('change')); }"
    )
    names = page.locator(".queues tbody th a")
    expect(names).to_have_text(["focus.two", "focus.one"])
    page.get_by_role("link", name="focus.one").focus()
    api.push("focus.one", *range(9))
    expect(names).to_have_text(["focus.one", "focus.two"], timeout=10_000)
    expect(page.get_by_role("link", name="focus.one")).to_be_focused()


def purge(page: Page, queue: str) -> None:
    page.get_by_role("button", name="Purge").click()
    page.get_by_label(f"Type {queue}").fill(queue)
    page.get_by_role("dialog").get_by_role("button", name="Purge").click()


def test_nothing_is_told_on_the_login_of_what_was_begun_before(page: Page, service: Service, api: Api) -> None:
    api.push("faults.left", 1)
    enter(page, service, "#/queues/faults.left/settings")
    held: list[Route] = []
    page.route("**/purge?*", held_in(held))
    purge(page, "faults.left")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    with page.expect_response("**/purge?*"):
        held[0].fulfill(json={"purged": 1, "remaining": 0})
    page.wait_for_timeout(300)
    expect(page.locator("#notices")).to_be_empty()


def test_a_late_delete_leaves_whoever_went_on_where_they_are(page: Page, service: Service, api: Api) -> None:
    api.push("faults.slowly-deleted", 1)
    api.push("faults.gone-on-to", 1)
    enter(page, service, "#/queues/faults.slowly-deleted/try")
    held: list[Route] = []
    page.route("**/queues/faults.slowly-deleted?confirm=*", held_in(held))
    page.get_by_role("button", name="Delete").click()
    page.get_by_label("Type faults.slowly-deleted").fill("faults.slowly-deleted")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.evaluate("location.hash = '#/queues/faults.gone-on-to/try'")
    expect(page.get_by_role("heading", level=1)).to_contain_text("faults.gone-on-to")
    held[0].continue_()
    expect(page.locator("#notices")).to_contain_text("faults.slowly-deleted is deleted.")
    page.wait_for_timeout(300)
    expect(page.get_by_role("heading", level=1)).to_contain_text("faults.gone-on-to")


def test_a_view_that_has_ended_asks_for_nothing(page: Page, service: Service, api: Api) -> None:
    api.push("faults.ended", 1)
    api.kill_off("faults.ended", 1, "by hand")
    enter(page, service, "#/queues/faults.ended/dead")
    held: list[Route] = []
    page.route("**/redrive", held_in(held))
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Redrive chosen (1)").click()
    with page.expect_response("**/logout"):
        page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/redrive"):
        held[0].fulfill(json={"moved": 1, "remaining": 0})
    page.wait_for_timeout(500)
    assert asked == []


def test_settings_that_cannot_be_loaded_leave_no_other_form_there(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(503)
    api.put("/queues/faults.unloaded", {"lease": 77})
    enter(page, service, "#/queues/faults.unloaded/try")
    expect(page.get_by_role("button", name="Push", exact=True)).to_be_visible()
    page.route("**/queues/faults.unloaded", lambda route: route.fulfill(status=503, json={"code": "overloaded"}))
    page.get_by_role("link", name="Settings").click()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    expect(page.get_by_role("button", name="Push", exact=True)).to_have_count(0)
    page.unroute("**/queues/faults.unloaded")
    again.click()
    expect(page.get_by_label("Lease (s)")).to_have_value("77")


def test_dead_letters_that_cannot_be_loaded_leave_no_others_there(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(503)
    api.push("faults.undead", 1)
    api.kill_off("faults.undead", 1, "by hand")
    enter(page, service, "#/queues/faults.undead/dead")
    expect(page.locator(".messages details")).to_have_count(1)
    page.route("**/dead?*", lambda route: route.fulfill(status=503, json={"code": "overloaded"}))
    page.get_by_label("Reason").select_option("expired")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    expect(page.locator(".messages details")).to_have_count(0)
    page.unroute("**/dead?*")
    again.click()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()


def test_no_page_can_be_turned_before_there_is_one(page: Page, service: Service, api: Api) -> None:
    api.push("faults.unturned", 1)
    enter(page, service, "#/queues/faults.unturned/try")
    held: list[Route] = []
    page.route("**/messages?*", held_in(held))
    page.get_by_role("link", name="Messages").click()
    expect(page.get_by_role("button", name="Refresh")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_have_count(0)
    held[0].continue_()


def test_a_pause_ends_by_the_clock_of_the_service(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/faults.clock", {})
    page.clock.install(time="2020-02-29T12:00:00Z")  # of a machine that lost its time
    enter(page, service, "#/queues/faults.clock/try")
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("For how long").select_option("1 hour")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("push paused until")).to_be_visible()
    until = datetime.fromisoformat(api.get("/queues/faults.clock")["paused"]["push"]["until"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) < timedelta(minutes=61)


def test_what_is_told_again_is_told_once_and_three_things_at_most(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(422)
    api.put("/queues/faults.told", {})
    enter(page, service, "#/queues/faults.told/try")
    details = iter(["first", "second", "second", "third", "fourth"])
    page.route("**/push", lambda route: route.fulfill(status=422, json={"code": "strange", "detail": next(details)}))
    notices = page.locator(".notice")
    for told in (["first"], ["first", "second"], ["first", "second"], ["first", "second", "third"]):
        with page.expect_response("**/push"):
            page.get_by_role("button", name="Push", exact=True).click()
        expect(notices).to_have_text(told)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(notices).to_have_text(["second", "third", "fourth"])
    notices.last.get_by_role("button", name="Close").click()
    expect(notices.last.get_by_role("button", name="Close")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_look_at_the_page_does_not_ask_sooner_than_the_service_wishes(
    page: Page, service: Service, refusals: set[int]
) -> None:
    refusals.add(503)
    enter(page, service)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "30"}, json={"code": "overloaded"})

    page.route("**/queues?*", refuse)
    expect(page.get_by_role("status").first).to_contain_text("too much to do", timeout=10_000)
    for _ in range(3):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(200)
    assert len(asked) == 1


def test_a_queue_that_somebody_else_makes_is_found(page: Page, service: Service, api: Api, refusals: set[int]) -> None:
    refusals.add(404)
    enter(page, service, "#/queues/faults.made-later/try")
    expect(page.get_by_text("This queue does not exist.")).to_be_visible()
    api.push("faults.made-later", 1)
    expect(page.get_by_role("button", name="Purge")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("This queue does not exist.")).to_have_count(0)


def test_no_rate_is_negative_after_a_queue_was_made_anew(page: Page, service: Service, api: Api) -> None:
    api.push("faults.anew", 1, 2)
    enter(page, service, "#/queues/faults.anew/try")
    rates = page.get_by_role("img", name=re.compile("^Messages a second:"))

    def answer(route: Route, totals: dict[str, int]) -> None:
        known = route.fetch().json()
        route.fulfill(json=known | {"totals": known["totals"] | totals})

    page.route("**/queues/faults.anew", lambda route: answer(route, {"pushed": 10, "delivered": 9}))
    expect(page.get_by_role("status").first).to_have_text("Live")
    page.wait_for_timeout(2500)
    page.unroute("**/queues/faults.anew")
    page.route("**/queues/faults.anew", lambda route: answer(route, {"pushed": 12, "delivered": 1}))
    seen = set()
    for _ in range(30):
        seen.add(rates.get_attribute("aria-label") or "")
        page.wait_for_timeout(100)
    assert not [label for label in seen if re.search("[-−]\\d", label)]
    page.unroute_all(behavior="ignoreErrors")


def test_what_is_typed_while_settings_are_saved_stays(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/faults.saving", {})
    enter(page, service, "#/queues/faults.saving/settings")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PATCH":
            held.append(route)
        else:
            route.continue_()

    page.get_by_label("Lease (s)").fill("45")
    page.route("**/queues/faults.saving", hold)
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Attempts at most").fill("7")
    held[0].continue_()
    expect(page.locator("#notices")).to_contain_text("Saved.")
    expect(page.get_by_label("Lease (s)")).to_have_value("45")
    expect(page.get_by_label("Attempts at most")).to_have_value("7")
    page.unroute("**/queues/faults.saving")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_role("button", name="Save").click()
    assert api.get("/queues/faults.saving")["settings"]["max_attempts"] == 7


def test_a_drop_on_the_second_page_stays_there_and_the_last_page_keeps_the_focus(
    page: Page, service: Service, api: Api
) -> None:
    api.push("faults.paged", *range(27))
    api.kill_off("faults.paged", 27, "by hand")
    enter(page, service, "#/queues/faults.paged/dead")
    pages = page.get_by_role("navigation", name="Pages")
    pages.get_by_role("button", name="Next").press("Enter")
    expect(pages).to_contain_text("26–27")
    expect(pages.get_by_role("button", name="Back")).to_be_focused()
    for left in ("26–26", "1–25"):
        page.get_by_role("button", name="Drop").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Drop").click()
        expect(page.locator(".pages .where")).to_have_text(left)
