"""Lets the tests of this directory say what they measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a line that pytest does not swallow."""

    def print_it(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end="")

    return print_it
