"""What a caller may not do is not shown, and is refused where they go by hand."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import PASSWORD, Api, enter, notice, tile
from tests.service import Service

QUEUE = "rights.orders"


@pytest.fixture(autouse=True)
def _queue(api: Api) -> None:
    if api.client.get(f"/queues/{QUEUE}").status_code == 404:
        api.push(QUEUE, 1, 2)
        api.push("rights.other", 1)


def tabs(page: Page) -> list[str]:
    return page.get_by_role("navigation", name="Parts of the queue").get_by_role("link").all_inner_texts()


def controls(page: Page) -> list[str]:
    page.wait_for_timeout(300)
    return [text for text in page.locator("main button:visible").all_inner_texts() if text]


def test_an_admin_sees_the_audit_log_with_what_was_just_done(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/rights.audited", {"lease": 77})
    enter(page, service, "#/audit")
    expect(page.get_by_role("row", name="queue.configure rights.audited")).to_contain_text("lease_ms=77000")
    page.get_by_label("Target").fill("rights.audited")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".audit tbody tr")).to_have_count(1)
    page.get_by_label("Target").fill("<script>")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No entry fits.")).to_be_visible()


def test_the_audit_log_shows_the_name_of_a_login_as_text(page: Page, service: Service) -> None:
    name = "<img src=x onerror=alert(1)>"
    assert httpx.post(f"{service.url}/login", json={"username": name, "password": "x"}).status_code == 401
    enter(page, service, "#/audit")
    expect(page.locator(".audit tbody tr").first).to_be_visible()
    assert page.locator("main img").count() == 0


def test_a_viewer_sees_figures_and_no_controls(page: Page, service: Service, api: Api) -> None:
    api.add_user("looker", "viewer")
    enter(page, service, "", "looker")
    page.get_by_label("Search by name").fill(QUEUE)  # other tests may have filled the first page
    expect(page.get_by_role("row", name=QUEUE)).to_be_visible()
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    page.get_by_role("link", name=QUEUE).click()
    expect(tile(page, "ready")).to_have_text("2")
    assert tabs(page) == ["Settings"]
    expect(page.get_by_label("Lease (s)")).not_to_be_editable()
    assert controls(page) == []


def test_a_viewer_who_goes_there_by_hand_is_told_so_and_the_api_refuses(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    api.add_user("looker", "viewer")
    enter(page, service, "#/audit", "looker")
    expect(page.get_by_text("Only an admin may read the audit log.")).to_be_visible()
    page.goto(f"{service.url}/console#/queues/{QUEUE}/dead")
    expect(tile(page, "ready")).to_have_text("2")
    assert tabs(page) == ["Settings"]
    refusals.add(403)
    calls = [
        ("GET", "/audit"),
        ("GET", f"/queues/{QUEUE}/messages"),
        ("POST", f"/queues/{QUEUE}/purge?confirm={QUEUE}"),
    ]
    for method, path in calls:
        call = """([method, path]) => fetch(path, {
            method, headers: { Authorization: `Bearer ${sessionStorage.getItem("pulpo.token")}` },
        }).then((answer) => answer.status)"""
        assert page.evaluate(call, [method, path]) == 403
    assert api.get(f"/queues/{QUEUE}/count")["ready"] == 2


def test_rights_are_those_of_the_queue(page: Page, service: Service, api: Api) -> None:
    api.add_user("half", permissions=("count:rights.*", "peek:rights.*", "manage:*.orders", "push:r*s.o*s"))
    enter(page, service, f"#/queues/{QUEUE}", "half")
    expect(tile(page, "ready")).to_have_text("2")
    assert tabs(page) == ["Messages", "Dead letters", "Try it", "Settings"]
    assert controls(page)[:3] == ["Pause", "Purge", "Delete"]
    page.goto(f"{service.url}/console#/queues/rights.other/dead")
    expect(tile(page, "ready")).to_have_text("1")
    assert tabs(page) == ["Messages", "Dead letters", "Settings"]
    assert controls(page) == ["Refresh"]


def test_a_producer_without_count_can_push_and_sees_no_figures(page: Page, service: Service, api: Api) -> None:
    api.add_user("sender", permissions=("push:rights.*",))
    enter(page, service, "", "sender")
    expect(page.get_by_text("There are no queues yet.")).to_be_visible()
    page.get_by_label("Search by name").fill("rights.sent")
    page.get_by_role("link", name="Go to “rights.sent”").click()
    expect(page.get_by_text("You may not see the figures of this queue.")).to_be_visible()
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("Pushed:")
    assert api.get("/queues/rights.sent/count")["ready"] == 1


def test_rights_that_were_taken_meanwhile_take_their_controls_along(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(403)
    api.add_user("demoted", "admin")
    enter(page, service, f"#/queues/{QUEUE}", "demoted")
    expect(page.get_by_role("button", name="Purge")).to_be_visible()
    api.client.patch("/users/demoted", json={"roles": ["viewer"]}).raise_for_status()
    page.wait_for_timeout(2500)  # a process trusts what it knows of a caller for 2 s
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#notices")).to_contain_text(f"manage:{QUEUE}")
    expect(page.get_by_role("button", name="Purge")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    assert PASSWORD not in page.content()


def test_who_may_only_manage_has_every_control_for_it(page: Page, service: Service, api: Api) -> None:
    api.push("rights.managed", 1, 2)
    api.kill_off("rights.managed", 2, "by hand")
    api.post("/queues/rights.managed/pause", {"operation": "push"})
    api.add_user("manager", permissions=("manage:rights.managed",))
    enter(page, service, "#/queues/rights.managed", "manager")
    assert tabs(page) == ["Dead letters", "Settings"]
    assert controls(page) == ["Resume", "Pause", "Purge", "Delete", "Redrive all"]
    page.get_by_role("button", name="Resume").click()
    notice(page, "Resumed.")
    assert api.get("/queues/rights.managed")["paused"] == {}
    page.get_by_role("button", name="Redrive all").click()
    page.get_by_role("dialog").get_by_role("button", name="Redrive").click()
    notice(page, "Redriven: 2. Left: 0.")


def test_who_may_change_the_settings_but_not_see_them_changes_what_they_fill_in(
    page: Page, service: Service, api: Api
) -> None:
    api.put("/queues/rights.set", {"ttl": 60, "lease": 40})
    api.add_user("setter", permissions=("manage:rights.set",))
    enter(page, service, "#/queues/rights.set/settings", "setter")
    expect(page.get_by_text("What is left empty stays as it is.")).to_be_visible()
    expect(page.get_by_label("Lease (s)")).to_have_value("")
    page.get_by_label("Attempts at most").fill("9")
    page.get_by_role("button", name="Save").click()
    notice(page, "Saved.")
    settings = api.get("/queues/rights.set")["settings"]
    assert (settings["ttl"], settings["lease"], settings["max_attempts"]) == (60, 40, 9)
