"""The short form of `make groups`."""

from __future__ import annotations

from tests.concurrency.groups import main


def test_order_holds_inside_every_group_and_none_is_stuck() -> None:
    assert main(["--messages", "600", "--groups", "20"]) == 0
