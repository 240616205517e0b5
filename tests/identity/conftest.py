"""What the tests of users from elsewhere share: real servers, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import PrivatePostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    with PrivatePostgres() as server:
        yield server
