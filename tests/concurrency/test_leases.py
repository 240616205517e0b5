"""The short form of `make leases`."""

from __future__ import annotations

from tests.concurrency.leases import main


def test_each_message_is_acked_once_by_its_last_holder_or_is_dead() -> None:
    assert main(["--messages", "2000", "--seed", "1"]) == 0
