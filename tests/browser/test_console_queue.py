"""One queue in the console: looked at, tried, changed, emptied, removed."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.console import EVIL, PASSWORD, Api, enter, held_in, load, log_in, notice, tile
from tests.service import Service


def go_to(page: Page, queue: str, tab: str) -> None:
    page.evaluate("(hash) => { location.hash = hash; }", f"#/queues/{queue}/{tab}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(queue)


def messages(page: Page) -> Locator:
    return page.locator(".messages details")


def confirm(page: Page, button: str, name: str | None = None) -> None:
    """Presses `button` in the dialog, after it was told the `name` that it wants."""
    dialog = page.get_by_role("dialog")
    if name is not None:
        dialog.get_by_label("Type").fill(name)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).to_be_hidden()


def test_figures_and_charts_move_under_load(page: Page, service: Service, api: Api) -> None:
    api.push("one.live", 1)
    enter(page, service, "#/queues/one.live")
    with load(api, "one.live"):
        rates = page.get_by_role("img", name=re.compile("^Messages a second: Pushed [1-9]"))
        expect(rates).to_be_visible(timeout=10_000)
        line = page.locator(".plot .line.ready")
        drawn = line.get_attribute("d") or ""
        expect(line).not_to_have_attribute("d", drawn, timeout=10_000)
        figure = tile(page, "ready").inner_text()
        expect(tile(page, "ready")).not_to_have_text(figure, timeout=10_000)


def test_messages_of_each_state_are_looked_at_and_stay_as_they_were(page: Page, service: Service, api: Api) -> None:
    api.push("one.states", {"order": 42}, priority="high")
    api.push("one.states", "later", delay=600)
    api.push("one.states", "in work")
    api.post("/queues/one.states/pop", {"lease": 600})
    before = api.get("/queues/one.states")
    enter(page, service, "#/queues/one.states/messages")
    expect(messages(page)).to_have_count(1)
    expect(messages(page)).to_contain_text('"in work"')
    page.get_by_label("State").select_option("Leased")
    expect(messages(page)).to_contain_text('{"order":42}')
    messages(page).locator("summary").click()
    expect(page.get_by_label("The message")).to_have_text('{\n  "order": 42\n}')
    page.get_by_label("State").select_option("Delayed")
    expect(messages(page)).to_contain_text('"later"')
    after = api.get("/queues/one.states")
    assert (after["totals"], after["settings"]) == (before["totals"], before["settings"])


def test_html_and_scripts_in_a_message_are_text(page: Page, service: Service, api: Api) -> None:
    headers = {"Content-Type": "text/html"}
    with httpx.Client(base_url=service.url, headers=api.client.headers) as client:
        client.post("/queues/one.evil/push", content=EVIL, headers=headers).raise_for_status()
    api.push("one.evil", {EVIL: [EVIL]}, group="<b>group</b>", attributes={"note": EVIL[:60]})
    api.push("one.evil", EVIL)
    api.kill_off("one.evil", 1, EVIL)
    enter(page, service, "#/queues/one.evil/messages")
    expect(messages(page)).to_have_count(2)
    for each in messages(page).all():
        each.locator("summary").click()
    bodies = page.get_by_label("The message")
    expect(bodies.nth(0)).to_contain_text("<img src=x onerror=")
    expect(bodies.nth(1)).to_contain_text("<img src=x onerror=")
    go_to(page, "one.evil", "dead")
    expect(messages(page).locator(".error")).to_have_text(EVIL)
    messages(page).locator("summary").click()
    expect(page.get_by_label("The message")).to_have_text(EVIL)
    assert page.locator("main img, main script, main iframe").count() == 0
    assert page.title() == "one.evil · Pulpo"


def test_a_message_is_shown_as_it_was_pushed(page: Page, service: Service, api: Api) -> None:
    body = '{"message": {"id": 12345678901234567890, "price": 1.10, "n": 1e400, "10": "}\\"", "9": [], "9": {}}}'
    headers = {"Content-Type": "application/json"}
    api.client.post("/queues/one.exact/push", content=body, headers=headers).raise_for_status()
    enter(page, service, "#/queues/one.exact/messages")
    kept = '{"id": 12345678901234567890, "price": 1.10, "n": 1e400, "10": "}\\"", "9": [], "9": {}}'
    expect(messages(page)).to_contain_text(kept)
    messages(page).locator("summary").click()
    opened = page.get_by_label("The message").inner_text()
    assert opened.splitlines() == [
        "{",
        '  "id": 12345678901234567890,',
        '  "price": 1.10,',
        '  "n": 1e400,',
        '  "10": "}\\"",',
        '  "9": [],',
        '  "9": {}',
        "}",
    ]


def test_large_messages_are_not_parsed_to_be_listed(page: Page, service: Service, api: Api) -> None:
    api.push("one.large", *([number] * 100_000 for number in range(3)))
    page.add_init_script("""
        const parse = JSON.parse;
        window.mostParsed = 0;
        JSON.parse = (text, ...rest) => {
            window.mostParsed = Math.max(window.mostParsed, text.length);
            return parse(text, ...rest);
        };
    """)
    enter(page, service, "#/queues/one.large/messages")
    expect(messages(page)).to_have_count(3)
    assert page.evaluate("window.mostParsed") < 20_000


def test_a_long_message_is_cut_until_somebody_asks_for_all(page: Page, service: Service, api: Api) -> None:
    api.push("one.long", "x" * 200_000)
    enter(page, service, "#/queues/one.long/messages")
    messages(page).locator("summary").click()
    body = page.get_by_label("The message")
    assert len(body.inner_text()) == 20_000
    page.get_by_role("button", name="Show all (200 kB)").click()
    assert len(body.inner_text()) == 200_002


def test_messages_come_in_pages(page: Page, service: Service, api: Api) -> None:
    api.push("one.pages", *(f"number {number}" for number in range(60)))
    enter(page, service, "#/queues/one.pages/messages")
    pages = page.get_by_role("navigation", name="Pages")
    expect(pages).to_contain_text("1–25")
    pages.get_by_role("button", name="Next").click()
    pages.get_by_role("button", name="Next").click()
    expect(pages).to_contain_text("51–60")
    expect(messages(page).last).to_contain_text("number 59")
    expect(pages.get_by_role("button", name="Next")).to_be_disabled()
    pages.get_by_role("button", name="Back").click()
    expect(messages(page).first).to_contain_text("number 25")


def test_dead_letters_go_back_one_by_one_and_all(page: Page, service: Service, api: Api) -> None:
    api.push("one.dead", *range(4))
    api.kill_off("one.dead", 4, "no such order")
    enter(page, service, "#/queues/one.dead/dead")
    expect(messages(page)).to_have_count(4)
    expect(messages(page).first).to_contain_text("no such order")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Redrive chosen (1)").click()
    notice(page, "Redriven: 1. Left: 0.")
    expect(messages(page)).to_have_count(3)
    page.get_by_role("button", name="Drop").first.click()
    confirm(page, "Drop")
    notice(page, "Dropped.")
    expect(messages(page)).to_have_count(2)
    page.get_by_role("button", name="Redrive all").click()
    confirm(page, "Redrive")
    notice(page, "Redriven: 2. Left: 0.")
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    expect(tile(page, "ready")).to_have_text("3")
    assert api.get("/queues/one.dead/count")["ready"] == 3


def test_dead_letters_are_found_by_their_reason(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/one.reasons", {"max_attempts": 1})
    api.push("one.reasons", 1, 2)
    api.kill_off("one.reasons", 1, "rejected by hand")
    receipt = api.post("/queues/one.reasons/pop", {"lease": 30})["receipt"]
    api.post("/nack", {"receipt": receipt, "error": "timeout"})
    enter(page, service, "#/queues/one.reasons/dead")
    expect(messages(page)).to_have_count(2)
    page.get_by_label("Reason").select_option("attempts used up")
    expect(messages(page)).to_have_count(1)
    expect(messages(page)).to_contain_text("timeout")


def test_a_message_is_pushed_popped_and_settled_by_hand(page: Page, service: Service, api: Api) -> None:
    enter(page, service)
    api.put("/queues/one.try", {})
    go_to(page, "one.try", "try")
    page.get_by_label("Message", exact=True).fill('{"order": 12345678901234567890}')
    page.get_by_role("button", name="Push", exact=True).click()
    notice(page, "Pushed:")
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_label("The message")).to_contain_text('"order": 12345678901234567890')
    expect(page.get_by_text("Yours until")).to_be_visible()
    page.get_by_role("button", name="Give it back").click()
    expect(page.get_by_text("Given back.")).to_be_visible()
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_text("Delivery 2;")).to_be_visible()
    page.get_by_role("button", name="Ack: done").click()
    expect(page.get_by_text("Acked. It is gone.")).to_be_visible()
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_text("Nothing is ready")).to_be_visible()
    totals = api.get("/queues/one.try")["totals"]
    assert (totals["pushed"], totals["delivered"], totals["acked"]) == (1, 2, 1)


def test_a_text_with_options_is_pushed_and_taken(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/one.text", {})
    enter(page, service, "#/queues/one.text/try")
    page.get_by_label("Kind").select_option("Text")
    page.get_by_label("Message", exact=True).fill('¿qué? "},{ not json')
    page.get_by_label("Priority").select_option("high")
    page.get_by_label("Time to live").fill("60")
    page.get_by_label("Message", exact=True).press("Control+Enter")
    notice(page, "Pushed:")
    page.get_by_label("How").select_option("Take it out")
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_label("The message")).to_have_text('¿qué? "},{ not json')
    assert api.get("/queues/one.text/count")["ready"] == 0


def test_what_is_wrong_with_a_push_stands_beside_its_field(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(422)
    api.put("/queues/one.faults", {})
    enter(page, service, "#/queues/one.faults/try")
    body = page.get_by_label("Message", exact=True)
    for slip in ('{"order": ', '1, "delay": 9', ""):
        body.fill(slip)
        page.get_by_role("button", name="Push", exact=True).click()
        expect(page.get_by_text("This is not JSON.")).to_be_visible()
        expect(body).to_be_focused()
    body.fill("1")
    page.get_by_label("Delay (s)").fill("99999999999")
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_label("Delay (s)")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Expected")).to_be_visible()
    assert api.get("/queues/one.faults/count")["ready"] == 0


def test_a_queue_is_paused_and_resumed(page: Page, service: Service, api: Api, refusals: set[int]) -> None:
    refusals.add(409)
    api.put("/queues/one.paused", {})
    enter(page, service, "#/queues/one.paused/try")
    expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("What").select_option("Push only")
    page.get_by_label("For how long").select_option("1 hour")
    confirm(page, "Pause")
    expect(page.get_by_text("push paused until")).to_be_visible()
    assert api.get("/queues/one.paused")["paused"]["push"]["until"] is not None
    page.get_by_role("button", name="Push", exact=True).click()
    notice(page, "Pushes to this queue are paused; nothing was pushed.")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("push paused")).to_be_hidden()
    assert api.get("/queues/one.paused")["paused"] == {}


def test_a_purge_wants_the_name_and_takes_what_was_chosen(page: Page, service: Service, api: Api) -> None:
    api.push("one.purged", *range(3))
    api.push("one.purged", *range(2), delay=600)
    enter(page, service, "#/queues/one.purged")
    page.get_by_role("button", name="Purge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Which messages").select_option("Delayed")
    dialog.get_by_label("Type one.purged to confirm").fill("one.purge")
    dialog.get_by_role("button", name="Purge").click()
    expect(dialog.get_by_text("That is not its name.")).to_be_visible()
    assert api.get("/queues/one.purged/count")["delayed"] == 2
    confirm(page, "Purge", "one.purged")
    notice(page, "Purged: 2. Left: 0.")
    expect(tile(page, "delayed")).to_have_text("0")
    expect(tile(page, "ready")).to_have_text("3")


def test_a_purge_that_is_called_off_takes_nothing(page: Page, service: Service, api: Api) -> None:
    api.push("one.spared", 1)
    enter(page, service, "#/queues/one.spared")
    page.get_by_role("button", name="Purge").click()
    page.get_by_label("Type one.spared to confirm").fill("one.spared")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Purge")).to_be_focused()
    assert api.get("/queues/one.spared/count")["ready"] == 1


def test_a_queue_is_deleted_once_its_name_is_typed(page: Page, service: Service, api: Api) -> None:
    api.push("one.deleted", 1)
    enter(page, service, "#/queues/one.deleted")
    page.get_by_role("button", name="Delete").click()
    confirm(page, "Delete", "one.deleted")
    notice(page, "one.deleted is deleted.")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    assert api.client.get("/queues/one.deleted").status_code == 404


def test_settings_are_changed_one_by_one(page: Page, service: Service, api: Api) -> None:
    api.put("/queues/one.settings", {"ttl": 60})
    enter(page, service, "#/queues/one.settings/settings")
    expect(page.get_by_label("Lease (s)")).to_have_value("30")
    page.get_by_label("Lease (s)").fill("45.5")
    page.get_by_label("Backoff: at most (s)").fill("90")
    page.get_by_label("Time to live (s)").fill("")
    page.get_by_role("button", name="Save").click()
    notice(page, "Saved.")
    settings = api.get("/queues/one.settings")["settings"]
    assert (settings["lease"], settings["ttl"], settings["max_attempts"]) == (45.5, None, 5)
    assert settings["backoff"] == {"base": 1, "factor": 2, "max": 90}


def test_a_setting_that_is_out_of_range_is_told_beside_its_field(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(422)
    api.put("/queues/one.range", {})
    enter(page, service, "#/queues/one.range/settings")
    page.get_by_label("Backoff: factor").fill("101")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Backoff: factor")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Backoff: factor")).to_be_focused()
    expect(page.get_by_text("Expected `float` <= 100")).to_be_visible()


def test_settings_that_somebody_else_changed_are_not_overwritten(
    page: Page, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals.add(412)
    api.put("/queues/one.crossed", {})
    enter(page, service, "#/queues/one.crossed/settings")
    page.get_by_label("Lease (s)").fill("31")
    api.put("/queues/one.crossed", {"lease": 99})
    page.get_by_role("button", name="Save").click()
    notice(page, "Somebody else changed the settings meanwhile.")
    assert api.get("/queues/one.crossed")["settings"]["lease"] == 99
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_label("Lease (s)")).to_have_value("99")


@pytest.mark.parametrize("tab", ["dead", "settings"])
def test_a_part_of_a_queue_has_an_address_of_its_own(page: Page, service: Service, api: Api, tab: str) -> None:
    api.put("/queues/one.linked", {})
    enter(page, service, f"#/queues/one.linked/{tab}")
    tabs = page.get_by_role("navigation", name="Parts of the queue")
    expect(tabs.locator("[aria-current=page]")).to_have_attribute("href", f"#/queues/one.linked/{tab}")


def test_a_late_ack_does_not_wipe_a_message_popped_since(page: Page, service: Service, api: Api) -> None:
    api.push("one.late-ack", "the first", "the second")
    enter(page, service, "#/queues/one.late-ack/try")
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_label("The message")).to_have_text('"the first"')
    held: list[Route] = []
    page.route("**/ack", held_in(held))
    page.get_by_role("button", name="Ack: done").click()
    page.get_by_label("How").select_option("Take it out")
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_label("The message")).to_have_text('"the second"')
    with page.expect_response("**/ack"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.get_by_label("The message")).to_have_text('"the second"')


def test_a_message_is_settled_in_one_way_only(page: Page, service: Service, api: Api) -> None:
    api.push("one.settled-once", 1)
    enter(page, service, "#/queues/one.settled-once/try")
    page.get_by_role("button", name="Pop", exact=True).click()
    held: list[Route] = []
    page.route(re.compile("/n?ack$"), held_in(held))
    page.get_by_role("button", name="Ack: done").click()
    page.get_by_role("button", name="Give it back").click(force=True)
    page.wait_for_timeout(300)
    assert [route.request.url.rpartition("/")[2] for route in held] == ["ack"]
    held[0].continue_()
    expect(page.get_by_text("Acked. It is gone.")).to_be_visible()


def test_what_was_popped_and_typed_outlives_other_parts_and_another_language(
    page: Page, service: Service, api: Api
) -> None:
    api.push("one.kept", {"order": 42})
    enter(page, service, "#/queues/one.kept/try")
    page.get_by_label("Message", exact=True).fill('{"typed": 1}')
    page.get_by_label("Lease (s)").fill("60")
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_text("Yours until")).to_be_visible()
    page.get_by_role("link", name="Messages").click()
    expect(page.get_by_text("Looking changes nothing.")).to_be_visible()
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_label("The message")).to_contain_text('"order": 42')
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_label("Reserva (s)")).to_have_value("60")
    expect(page.get_by_label("Mensaje", exact=True)).to_have_value('{"typed": 1}')
    page.get_by_role("button", name="Ack: hecho").click()
    expect(page.get_by_text("Confirmado. Ya no está.")).to_be_visible()
    assert api.get("/queues/one.kept")["totals"]["acked"] == 1


def test_what_was_popped_is_gone_with_whoever_popped_it(page: Page, service: Service, api: Api) -> None:
    api.push("one.forgotten", "for the admin")
    api.add_user("popper", permissions=("pop:one.forgotten",))
    enter(page, service, "#/queues/one.forgotten/try")
    page.get_by_role("button", name="Pop", exact=True).click()
    expect(page.get_by_label("The message")).to_have_text('"for the admin"')
    page.get_by_role("button", name="Log out").click()
    log_in(page, "popper", PASSWORD)
    expect(page.get_by_role("button", name="Pop", exact=True)).to_be_visible()
    expect(page.get_by_label("The message")).to_have_count(0)
