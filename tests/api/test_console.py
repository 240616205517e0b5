"""The console's page and its parts, as files; what they do is tested in a browser."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from app.blueprints.console import DIRECTORY, PAGE
from tests.api.answers import problem

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
FILES = sorted(path.name for path in DIRECTORY.iterdir())
MODULES = [name for name in FILES if name.endswith(".js") and name != "scheme.js"]


def source(name: str) -> str:
    return (DIRECTORY / name).read_text(encoding="utf-8")


def test_a_browser_is_sent_on_to_the_console(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["Location"], answer.headers["Vary"]) == (303, "console", "Accept")
    assert client.get("/", headers={"Accept": BROWSER}, follow_redirects=True).request.path == "/console"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html;q=0.9", "text/plain"])
def test_everyone_else_gets_the_card(client: FlaskClient, accept: str | None) -> None:
    answer = client.get("/", headers={} if accept is None else {"Accept": accept})
    assert (answer.status_code, answer.get_json()["name"]) == (200, "pulpo")


def test_the_page_may_load_and_call_nothing_but_what_is_here(client: FlaskClient) -> None:
    page = client.get("/console")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= set(policy)
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "trusted-types 'none'"} <= set(policy)
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in page.headers


def test_every_part_that_the_page_names_is_served_with_its_type(client: FlaskClient) -> None:
    parts = re.findall(r'(?:src|href)="console/([^"]+)"', source(PAGE))
    assert sorted(set(parts)) == [name for name in FILES if name != PAGE]
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for part in parts:
        answer = client.get(f"/console/{part}")
        assert (answer.status_code, answer.mimetype) == (200, kinds[part.rpartition(".")[2]])


def test_nothing_but_its_parts_is_served(client: FlaskClient) -> None:
    for name in ("none", "index.html", "..%2f..%2fsettings.py", "app.js.map", ".."):
        problem(client.get(f"/console/{name}"), 404, "not-found")


def test_a_browser_that_has_a_part_is_told_so(client: FlaskClient) -> None:
    for path in ("/console", "/console/app.js"):
        first = client.get(path)
        assert first.headers["Cache-Control"] == "no-cache"
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = source(PAGE)
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page) == []
    for name in FILES:
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", source(name)) == [], name


def test_no_text_is_ever_read_as_html() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|DOMParser|eval\(|new Function"
    for name in MODULES:
        assert re.findall(forbidden, source(name)) == [], name


class TestWords:
    @staticmethod
    def words(language: str) -> dict[str, str]:
        pairs = re.findall(r'^  "([^"]+)": "((?:[^"\\]|\\.)+)",$', source(f"words-{language}.js"), re.MULTILINE)
        assert len(dict(pairs)) == len(pairs), "a key stands there twice"
        assert len(pairs) == source(f"words-{language}.js").count('": "')
        return dict(pairs)

    def test_both_languages_have_the_same_keys_and_values_to_fill_in(self) -> None:
        english, spanish = self.words("en"), self.words("es")
        assert list(english) == list(spanish)
        for key, text in english.items():
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", spanish[key])), key

    def test_each_key_is_used_and_each_that_is_used_is_there(self) -> None:
        code = "\n".join(source(name) for name in MODULES if not name.startswith("words-"))
        keys = set(self.words("en"))
        literals = set(re.findall(r'"([a-z-]+(?:\.[\w-]+)+|skip)"', code))
        assert keys - literals == set(), "nobody uses them"
        assert set(re.findall(r'\bt\("([^"]+)"', code)) - keys == set(), "they are missing"
        families = {key.partition(".")[0] for key in keys if "." in key}
        assert {each for each in literals if each.partition(".")[0] in families} - keys - {"pulpo.token"} == set()
