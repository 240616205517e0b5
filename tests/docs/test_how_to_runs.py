"""The pages that tell how and why: their commands, in their order, against a service; their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app import make_provider
from app.settings import Settings
from tests.docs.pages import HEAD, README, bash, blocks, for_operators, for_service, needs_curl
from tests.issuer import AUDIENCE, CLIENT, SECRET, issuing
from tests.service import ROOT, Service, running

DOCS = ROOT / "docs"
HOW_TO = sorted([*DOCS.glob("how-to/*.md"), *DOCS.glob("explanation/*.md")])
# What a page says of its answers.
SHOWN = {
    "workers": ['"max_attempts":3', '"queue":"orders","id":"01'],
    "retries": ['"attempts":2', '"due_at":', '"error":"no invoice number"', "Idempotency-Replayed: true"],
    "dead-letters": [
        *('"reason":"rejected"', '"error":"the bank does not answer"', '{"moved":1,"remaining":0}\n' * 2),
        *('"purged":', '"dead_ttl":604800', '"dead":0'),
    ],
    "fifo": [
        '"detail":"The queue is empty."',
        '"message":"open","group":"ada"',
        '"message":"deposit","group":"ada","attempt":1',
    ],
    "secure": [
        "pulpo_redis_up 1.0",
        '"action":"key.add"',
        '"action":"user.change","target":"grace","outcome":"done","detail":"disabled"',
    ],
}


ELSEWHERE = DOCS / "how-to" / "users-from-elsewhere.md"
RUN_ON_A_PLAIN_SERVICE = [page for page in HOW_TO if blocks(page.read_text("utf-8")) and page != ELSEWHERE]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running() as service:
        yield service


@needs_curl
@pytest.mark.parametrize("page", RUN_ON_A_PLAIN_SERVICE, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_is_there_for(page: Path, service: Service, tmp_path: Path) -> None:
    script = "\n".join([blocks(README)[0], *blocks(page.read_text("utf-8"))])
    script = HEAD + for_operators(for_service(script, service))
    answer = bash(script, tmp_path, PULPO_DATA_DIR=str(service.data_dir))
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    for shown in SHOWN[page.stem]:
        assert shown in answer.stdout, answer.stdout


@needs_curl
def test_every_command_about_users_from_elsewhere_works_with_an_issuer(tmp_path: Path) -> None:
    with issuing() as issuer:
        provided = {
            "PULPO_IDENTITY": "oidc",
            "PULPO_OIDC_ISSUER": issuer.url,
            "PULPO_IDENTITY_CLIENTS": CLIENT,
            "PULPO_IDENTITY_CLIENT_SECRET": SECRET,
            "PULPO_IDENTITY_AUDIENCE": AUDIENCE,
            "PULPO_IDENTITY_GROUPS": '{"staff": ["producer"]}',
        }
        with running(**provided) as service:
            script = "\n".join([blocks(README)[0], *blocks(ELSEWHERE.read_text("utf-8"))])
            answer = bash(HEAD + for_service(script, service), tmp_path)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    for shown in ('"username":"oidc:0-ada","roles":["producer"]', '"queue":"default","id":"', "let in by oidc"):
        assert shown in answer.stdout, answer.stdout


def test_the_settings_of_each_provider_are_ones_that_pulpo_starts_with(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret of the provider")
    kinds = set()
    for block in blocks(ELSEWHERE.read_text("utf-8"), ""):
        if "PULPO_IDENTITY=" in block:
            shown = re.sub(r"(_FILE)=(/run/secrets)/\w+", rf"\1={tmp_path}/secret", block)
            environ = dict(re.findall(r"^(\w+)='?(.*?)'?$", shown, re.MULTILINE))
            assert len(environ) == len(shown.splitlines())
            settings = Settings.from_env(environ | {"PULPO_SECRET": "x" * 32})
            assert make_provider(msgspec.structs.replace(settings, identity_ca_file="")) is not None
            kinds.add(settings.identity)
    assert kinds == {"ldap", "cognito", "oidc"}


@pytest.mark.parametrize("page", [*HOW_TO, DOCS / "README.md"], ids=lambda page: page.stem)
def test_a_page_begins_with_a_sentence_that_says_what_it_is_for(page: Path) -> None:
    title, empty, sentence = page.read_text("utf-8").splitlines()[:3]
    assert title.startswith("# ")
    assert not empty
    assert sentence.startswith("This page ")
    assert sentence.endswith(".")


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.rglob("*.md")], ids=lambda page: page.stem)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall("^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_stands_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", (DOCS / "README.md").read_text("utf-8")))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.parent.name != "decisions"}
    assert linked == (pages - {"README.md"}) | {"../README.md", "../deploy/aws/README.md", "decisions/README.md"}
