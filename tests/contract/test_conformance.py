"""The short form of `make conformance`."""

from __future__ import annotations

import pytest

from tests.contract.conformance import main


@pytest.mark.timeout(180)
def test_every_route_takes_and_answers_what_its_document_says() -> None:
    assert main(["--examples", "1", "--phases", "examples,coverage"]) == 0
