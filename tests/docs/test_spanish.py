"""README.es.md says what README.md says: its commands, routes, terms, figures and links are the same."""

from __future__ import annotations

import re

from tests.docs.pages import README
from tests.service import ROOT

SPANISH = (ROOT / "README.es.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TERM = re.compile("`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What a line outside of a fenced block is: a heading of some level, the start of a topic, a row, an item.
KIND = re.compile(r"^(#+ |\*\*|\||- )", re.MULTILINE)


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", page)


def rows(page: str) -> list[set[str]]:
    """The terms of each row of the tables, whose cells Spanish may say in another order."""
    return [set(TERM.findall(row)) for row in re.findall(r"^\|.*$", prose(page), re.MULTILINE)]


def figures(page: str) -> set[str]:
    """The numbers of the sentences and cells; Spanish writes 1000 where English writes 1,000."""
    words = LINK.sub("", TERM.sub("", prose(page)))
    return {number.replace(",", "") for number in re.findall(r"\d+(?:[.,]\d+)*", words)}


def test_the_fenced_blocks_are_the_same_in_the_same_order() -> None:
    assert FENCED.findall(SPANISH) == FENCED.findall(README)
    assert len(FENCED.findall(SPANISH)) >= 20


def test_headings_topics_rows_and_items_follow_each_other_as_in_english() -> None:
    assert KIND.findall(prose(SPANISH)) == KIND.findall(prose(README))


def test_each_row_of_the_tables_has_the_same_routes_and_terms() -> None:
    assert rows(SPANISH) == rows(README)
    assert {"POST /push", "POST /queues/{queue}/push", "push"} <= set().union(*rows(SPANISH))


def test_no_setting_code_or_other_term_is_invented_or_left_out() -> None:
    assert set(TERM.findall(prose(SPANISH))) == set(TERM.findall(prose(README)))


def test_the_figures_are_the_same() -> None:
    assert figures(SPANISH) == figures(README)


def test_each_page_links_to_the_other_and_both_to_the_same_pages() -> None:
    assert set(LINK.findall(SPANISH)) - {"README.md"} == set(LINK.findall(README)) - {"README.es.md"}
    assert SPANISH.splitlines()[2] == "[English](README.md)"
    assert README.splitlines()[2] == "[Español](README.es.md)"
