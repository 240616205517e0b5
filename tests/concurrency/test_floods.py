"""The short form of `make floods`."""

from __future__ import annotations

from tests.concurrency.floods import main


def test_nobody_gets_in_and_others_are_served() -> None:
    assert main(["--logins", "1500"]) == 0
