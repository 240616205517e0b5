"""The short form of `make real-input`."""

from __future__ import annotations

from tests.concurrency.real_input import main


def test_what_8_connections_push_is_what_8_others_pop_byte_for_byte() -> None:
    assert main(["--lines", "5000", "--files", "50"]) == 0
