"""The short form of `make kills`."""

from __future__ import annotations

from tests.chaos.kills import main


def test_kills_lose_nothing_that_was_answered_and_bring_nothing_back() -> None:
    assert main(["--rounds", "3", "--seed", "1"]) == 0
