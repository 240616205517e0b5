"""What the documentation lists is what the code has: routes, errors, permissions, roles."""

from __future__ import annotations

import re

from flask import Flask

from app.people import GLOBAL_ACTIONS, QUEUE_ACTIONS, ROLES
from app.web.problems import KINDS, PROXY_KINDS
from tests.service import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
UNLISTED_PATHS = {"/docs/{name}", "/console/{name}"}  # parts of a page


def test_every_error_of_the_code_is_listed_and_no_other() -> None:
    listed = {
        (int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", REFERENCE, re.MULTILINE)
    }
    known = {(kind.status, kind.code) for kind in (*KINDS.values(), *PROXY_KINDS)}
    assert listed == known | {(405, "method-not-allowed"), (500, "internal")}


def test_every_permission_and_role_is_listed_and_no_other() -> None:
    _, permissions = REFERENCE.split("## Permissions")
    listed = set(re.findall(r"^\| `([a-z]+)(?::…)?` \| [^`]", permissions, re.MULTILINE))
    assert listed | {"system"} == QUEUE_ACTIONS | GLOBAL_ACTIONS
    roles = dict(re.findall(r"^\| `(\w+)` \| ((?:`[a-z:*]+` ?)+) \|$", permissions, re.MULTILINE))
    assert {role: tuple(re.findall("`([^`]+)`", words)) for role, words in roles.items()} == ROLES


def test_every_route_stands_in_the_readme_and_no_other(app: Flask) -> None:
    table = README[README.index("## Routes") : README.index("Every error is")]
    listed = {re.sub(r"\{\w+\}", "{}", path) for path in re.findall(r"(/[^`\s]*)`", table)}
    paths = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    known = {re.sub(r"\{\w+\}", "{}", path) for path in paths - UNLISTED_PATHS}
    assert listed == known
