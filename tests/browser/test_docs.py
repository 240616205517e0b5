"""The page at /docs, in a browser: it shows every route, logs in, and tries them."""

from __future__ import annotations

from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.service import Service


def operations(service: Service) -> list[str]:
    document: dict[str, Any] = httpx.get(f"{service.url}/openapi.json").json()
    return [operation["operationId"] for path in document["paths"].values() for operation in path.values()]


def log_in(page: Page, service: Service) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    form = page.locator(".auth-container", has=page.locator("#oauth_username"))
    form.locator("#oauth_username").fill("admin")
    form.locator("#oauth_password").fill((service.data_dir / "admin-password").read_text())
    form.locator(".authorize").click()
    expect(page.get_by_role("heading", name="Authorized")).to_be_visible()
    page.locator(".close-modal").click()


def send(page: Page, method: str, path: str, body: str | None = None) -> Locator:
    """Opens a route, sends it, and gives the part of the page that shows the answer."""
    block = page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    if body is not None:
        block.locator(".body-param__text").fill(body)
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table")


def test_every_route_is_shown(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/docs")
    expect(page.locator(".opblock")).to_have_count(len(operations(service)))


def test_who_logs_in_there_can_push_and_count(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/docs")
    log_in(page, service)
    expect(send(page, "post", "/push", '{"message": {"order": 42}}')).to_contain_text('"queue": "default"')
    expect(send(page, "get", "/count")).to_contain_text('"ready": 1')
