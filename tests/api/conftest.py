"""Every test of the API goes through both doors."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["fast", "flask"])
def has_fast_door(request: pytest.FixtureRequest) -> bool:
    chosen: bool = request.param
    return chosen
