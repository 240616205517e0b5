"""The console's door: who gets in, how a session ends, and where the token is."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPage
from tests.browser.console import PASSWORD, Api, enter, held_in, log_in, notice, open_console
from tests.service import Service

pytestmark = pytest.mark.usefixtures("api")


def test_a_browser_that_opens_the_service_comes_to_the_login(page: Page, service: Service) -> None:
    page.goto(service.url)
    expect(page).to_have_url(f"{service.url}/console")
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()


def test_a_wrong_password_is_told_and_the_right_one_gets_in(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(401)
    api.add_user("door", "viewer")
    open_console(page, service)
    log_in(page, "door", "not the password of door")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)  # over what is selected
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()


def test_who_tries_too_often_is_told_to_wait(page: Page, service: Service, api: Api, refusals: set[int]) -> None:
    refusals |= {401, 429}
    api.add_user("guessed", "viewer")
    open_console(page, service)
    for attempt in range(12):
        log_in(page, "guessed", f"a wrong password {attempt}")
        expect(page.get_by_role("alert")).not_to_have_text("")
        if "Too many" in page.get_by_role("alert").inner_text():
            break
    expect(page.get_by_role("alert")).to_contain_text("Too many tries. Try again in")


def test_the_token_is_in_the_session_storage_and_nowhere_else(page: Page, service: Service) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    enter(page, service)
    token = page.evaluate("sessionStorage.getItem('pulpo.token')")
    assert len(token) > 40
    assert page.context.cookies() == []
    assert token not in page.evaluate("JSON.stringify(localStorage)")
    assert token not in json.dumps(requested) + page.url + page.title() + page.content()
    assert token not in service.log.read_text()


def test_logging_out_revokes_the_token_and_forgets_it(page: Page, service: Service, refusals: set[int]) -> None:
    enter(page, service)
    token = page.evaluate("sessionStorage.getItem('pulpo.token')")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    expect(page.get_by_text("Your session has ended")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0
    refusals.add(401)
    status = f"fetch('/me', {{headers: {{Authorization: 'Bearer {token}'}}}}).then((answer) => answer.status)"
    assert page.evaluate(status) == 401


def test_a_session_that_ended_asks_for_a_login_and_goes_on_where_it_was(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(401)
    api.add_user("passing", "admin")
    api.push("kept", 1)
    enter(page, service, "#/queues/kept/dead", "passing")
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    page.get_by_role("button", name="Purge").click()
    api.logout_all("passing")
    expect(page.get_by_text("Your session has ended. Log in again")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(f"{service.url}/console#/queues/kept/dead")
    log_in(page, "passing", PASSWORD)
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()


def test_two_tabs_have_sessions_of_their_own(new_page: NewPage, service: Service) -> None:
    first = new_page()
    second = first.context.new_page()
    enter(first, service)
    open_console(second, service)
    expect(second.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    enter(second, service)
    second.get_by_role("button", name="Log out").click()
    expect(second.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    first.reload()
    expect(first.get_by_role("heading", name="Queues")).to_be_visible()


def test_a_tab_that_was_doubled_ends_with_the_other(new_page: NewPage, service: Service, refusals: set[int]) -> None:
    refusals.add(401)
    first = new_page()
    enter(first, service)
    with first.expect_popup() as opened:
        first.evaluate("window.open('/console#/audit') && null")
    second = opened.value
    expect(second.get_by_role("heading", name="Audit log")).to_be_visible()
    first.get_by_role("button", name="Log out").click()
    expect(first.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    second.get_by_role("link", name="Queues").first.click()
    expect(second.get_by_text("Your session has ended")).to_be_visible(timeout=10_000)


def test_a_logout_that_was_refused_ends_the_session_here_and_is_told(
    page: Page, service: Service, refusals: set[int]
) -> None:
    refusals.add(503)
    enter(page, service)
    page.route("**/logout", lambda route: route.fulfill(status=503, json={"code": "store-unavailable"}))
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    notice(page, "Pulpo did not revoke the token")


def test_a_logout_does_not_wait_for_the_service(page: Page, service: Service) -> None:
    enter(page, service)
    token = page.evaluate("sessionStorage.getItem('pulpo.token')")
    held: list[Route] = []
    page.route("**/logout", held_in(held))
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    assert held[0].request.headers["authorization"] == f"Bearer {token}"
    held[0].continue_()


def test_the_page_is_there_before_it_is_known_who_has_logged_in(page: Page, service: Service) -> None:
    enter(page, service)
    held: list[Route] = []
    page.route("**/me", held_in(held))
    page.reload()
    expect(page.get_by_text("Looking …")).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()


def test_whoever_cannot_be_told_who_they_are_can_log_out(page: Page, service: Service, refusals: set[int]) -> None:
    refusals.add(503)
    enter(page, service)
    page.route("**/me", lambda route: route.fulfill(status=503, json={"code": "store-unavailable"}))
    page.reload()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Pulpo")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_browser_that_keeps_nothing_shows_the_console_all_the_same(page: Page, service: Service) -> None:
    page.add_init_script("""
        for (const name of ["localStorage", "sessionStorage"])
            Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
    """)
    enter(page, service)
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    page.get_by_role("button", name=re.compile("colours")).click()
    page.get_by_role("button", name="Español").click()
    page.get_by_role("button", name="Cerrar sesión").click()
    expect(page.get_by_role("heading", name="Iniciar sesión en Pulpo")).to_be_visible()
