"""The console for everybody: axe-core, the keyboard, a phone, both schemes, both languages; and its pictures.

TEST_PICTURES names a directory where the pictures are put; `make pictures` sets it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, Route, ViewportSize, expect

from tests.browser.conftest import NewPage
from tests.browser.console import PASSWORD, Api, enter, load, log_in, open_console
from tests.service import Service

SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 800},
    "phone": {"width": 375, "height": 812},
}
PICTURES = os.environ.get("TEST_PICTURES")
PLACES = {
    "queues": "#/queues",
    "queue": "#/queues/orders.eu/dead",
    "messages": "#/queues/orders.eu/messages",
    "try": "#/queues/orders.eu/try",
    "settings": "#/queues/orders.eu/settings",
    "audit": "#/audit",
}


@pytest.fixture(scope="module")
def shop(api: Api) -> Iterator[Api]:
    """Queues as a shop has them, in use."""
    for place, queue in enumerate(
        ("billing.invoices", "billing.refunds", "mail.bounced", "orders.latam", "reports.nightly", "search.index")
    ):
        api.push(queue, *({"document": number} for number in range(7 + 40 * (place % 3))))
        api.push(queue, *range(place), delay=900) if place else None
    orders = (
        {"order": 4200 + number, "customer": f"c-{number % 7}", "items": [{"sku": "A-17"}]} for number in range(60)
    )
    api.push("orders.eu", *orders)
    api.kill_off("orders.eu", 4, "card declined: no such account")
    api.push("mail.outgoing", *({"to": f"someone-{number}@example.com"} for number in range(30)))
    api.kill_off("mail.outgoing", 2, "550 mailbox unavailable")
    api.post("/queues/reports.nightly/pause", {"operation": "pop"})
    with load(api, "orders.eu", "orders.us", "webhooks", "mail.outgoing", "thumbnails"):
        yield api


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody out."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['any'][:1]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


def refusing(status: int, code: str) -> Callable[[Route], None]:
    """Answers with a refusal, whose detail is English."""

    def refuse(route: Route) -> None:
        route.fulfill(status=status, json={"code": code, "detail": "Some English."})

    return refuse


def picture(page: Page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out_and_nothing_scrolls_sideways(
    new_page: NewPage, service: Service, shop: Api, scheme: str, size: str
) -> None:
    page = new_page(viewport=SIZES[size], color_scheme=scheme, has_touch=size == "phone")
    open_console(page, service)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    found = {"login": serious(page)}
    enter(page, service)
    for name, place in PLACES.items():
        page.evaluate("(hash) => { location.hash = hash; }", place)
        page.wait_for_timeout(40_000 if PICTURES and name in {"queues", "queue"} else 500)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if name == "messages":
            page.locator(".messages summary").first.click()
        found[name] = serious(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        page.evaluate("scrollTo(0, 0)")
        picture(page, f"console-{name}-{scheme}-{size}")
    page.get_by_role("link", name="Queues").first.click()
    page.evaluate("location.hash = '#/queues/orders.eu'")
    page.get_by_role("button", name="Purge").click()
    found["dialog"] = serious(page)
    picture(page, f"console-dialog-{scheme}-{size}")
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_every_control_of_a_phone_is_large_enough_to_hit(new_page: NewPage, service: Service, shop: Api) -> None:
    page = new_page(viewport=SIZES["phone"], has_touch=True)
    enter(page, service, "#/queues/orders.eu/dead")
    expect(page.locator(".messages details").first).to_be_visible()
    small = """[...document.querySelectorAll("button, a, input, select, summary")]
        .filter((node) => node.checkVisibility() && node.id !== "skip")
        .map((node) => [node.outerHTML.slice(0, 80), node.getBoundingClientRect()])
        .filter(([, box]) => box.height < 24 && !(box.width === 20 && box.height === 20))
        .map(([html]) => html)"""
    assert page.evaluate(small) == []


def test_everything_is_done_by_the_keyboard_alone(page: Page, service: Service, api: Api) -> None:
    api.add_user("typist", "admin")
    api.push("keys.queue", 1, 2)
    api.kill_off("keys.queue", 1, "by hand")

    def tab_to(name: str) -> None:
        """Presses Tab until something of that name has the focus, which has to be seen."""
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                """() => { const node = document.activeElement;
                    const style = getComputedStyle(node);
                    return [node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent,
                            style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2]; }"""
            )
            if focused[0].strip() == name:
                assert focused[1], f"the focus is not seen on {name}"
                return
        raise AssertionError(f"Tab does not come to {name}")

    open_console(page, service)
    page.keyboard.type("typist")
    tab_to("Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    tab_to("Skip to the content")
    page.keyboard.press("Enter")
    tab_to("Search by name")
    page.keyboard.type("keys.")
    expect(page.locator(".queues tbody tr")).to_have_count(1)
    tab_to("keys.queue")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tab_to("Dead letters")
    page.keyboard.press("Enter")
    expect(page.locator(".messages details")).to_have_count(1)
    tab_to("Redrive all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to("Redrive")
    page.keyboard.press("Enter")
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    expect(page.get_by_role("button", name="Refresh")).to_be_focused()
    page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    tab_to("Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Type keys.queue to confirm")).to_be_visible()
    page.get_by_label("Type keys.queue to confirm").focus()
    page.keyboard.type("keys.queue")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("keys.queue is deleted.")


def test_the_language_is_the_browsers_until_another_is_chosen(new_page: NewPage, service: Service, api: Api) -> None:
    api.push("idioma", 1)
    page = new_page(locale="es-MX")
    open_console(page, service)
    expect(page.get_by_role("heading", name="Iniciar sesión en Pulpo")).to_be_visible()
    page.get_by_role("button", name="English").click()
    log_in(page, "admin", (service.data_dir / "admin-password").read_text().strip())
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("heading", name="Colas")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "es"
    page.reload()
    page.set_viewport_size(SIZES["phone"])
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.get_by_role("link", name="idioma").click()
    for tab in ("Mensajes", "Muertos", "Probar", "Configuración"):
        page.get_by_role("link", name=tab, exact=True).click()
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, tab
    for name in ("Pausar", "Vaciar", "Eliminar"):
        page.get_by_role("button", name=name).click()
        page.get_by_role("dialog").get_by_role("button", name="Cancelar").click()
    page.get_by_role("link", name="Registro de auditoría").click()
    expect(page.get_by_role("heading", name="Registro de auditoría")).to_be_visible()
    assert "undefined" not in page.content()


def test_the_scheme_is_the_systems_until_another_is_chosen(new_page: NewPage, service: Service) -> None:
    page = new_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    open_console(page, service)
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Use light colours").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Use dark colours")).to_be_visible()
    assert page.evaluate(ground) == light
    assert re.match(r"rgb\(2\d\d, 2\d\d, 2\d\d\)", light)


def test_who_reads_spanish_reads_no_english_of_refusals_priorities_and_outcomes(
    new_page: NewPage, service: Service, api: Api, refusals: set[int]
) -> None:
    refusals |= {403, 409, 413, 507, 503}
    api.push("prioridad", 1, priority="high")
    page = new_page(locale="es-MX")
    open_console(page, service, "#/queues/prioridad/try")
    page.get_by_label("Nombre").fill("admin")
    page.get_by_label("Contraseña").fill((service.data_dir / "admin-password").read_text().strip())
    page.keyboard.press("Enter")
    push = page.get_by_role("button", name="Enviar", exact=True)
    for status, code, told in (
        (403, "forbidden", "No tienes permiso"),
        (409, "conflict", "Se cruza con algo"),
        (413, "message-too-large", "El mensaje es demasiado grande."),
        (413, "request-too-large", "La petición es demasiado grande."),
        (507, "store-full", "Redis está lleno"),
        (503, "not-durable", "No está demostrado"),
    ):
        page.route("**/push", refusing(status, code), times=1)
        push.click()
        expect(page.locator("#notices")).to_contain_text(told)
    page.get_by_role("link", name="Mensajes").click()
    expect(page.locator(".messages .badge")).to_have_text("alta")
    page.get_by_role("link", name="Registro de auditoría").click()
    expect(page.locator(".audit tbody .badge").first).to_have_text(re.compile("hecho|rechazado"))
