"""The short form of `make chaos` on one server; CI runs that of every topology."""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import main


@pytest.mark.timeout(150)
def test_faults_lose_nothing_and_bring_nothing_back() -> None:
    assert main(["--topology", "standalone", "--short", "--seed", "1"]) == 0
