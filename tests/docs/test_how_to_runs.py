"""The pages that tell how and why: their commands, in their order, against a service; their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import HEAD, README, bash, blocks, for_operators, for_service, needs_curl
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


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running() as service:
        yield service


@needs_curl
@pytest.mark.parametrize(
    "page", [page for page in HOW_TO if blocks(page.read_text("utf-8"))], ids=lambda page: page.stem
)
def test_every_command_of_a_page_does_what_it_is_there_for(page: Path, service: Service, tmp_path: Path) -> None:
    script = "\n".join([blocks(README)[0], *blocks(page.read_text("utf-8"))])
    script = HEAD + for_operators(for_service(script, service))
    answer = bash(script, tmp_path, PULPO_DATA_DIR=str(service.data_dir))
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    for shown in SHOWN[page.stem]:
        assert shown in answer.stdout, answer.stdout


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
    assert linked == (pages - {"README.md"}) | {"../README.md", "decisions/README.md"}
