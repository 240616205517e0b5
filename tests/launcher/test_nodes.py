"""Two nodes of one user table and one secret: what one is told, the other holds to within 5 s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.redis_server import PrivateRedis
from tests.service import Service

SECRET = "the secret of two nodes that is long enough"
PASSWORD = "the admin of two nodes"
HOLDS_WITHIN_SECONDS = 5
USER = {"username": "ann", "password": "a long enough password", "roles": ["viewer"]}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shared.db'}"


@pytest.fixture
def nodes(tmp_path: Path, database_url: str) -> Iterator[tuple[Service, Service]]:
    with PrivateRedis() as redis:
        shared = {
            "PULPO_SECRET": SECRET,
            "PULPO_ADMIN_PASSWORD": PASSWORD,
            "PULPO_REDIS_URL": redis.url,
            "PULPO_DATABASE_URL": database_url,
            "PULPO_WORKERS": "2",
        }
        services = [Service(tmp_path / name, **shared) for name in ("one", "two")]
        try:
            for service in services:
                service.directory.mkdir()
            at_once = database_url.startswith("postgresql")  # a file is for one launcher at a time
            with ThreadPoolExecutor(2 if at_once else 1) as threads:
                list(threads.map(Service.start, services))
            yield services[0], services[1]
        finally:
            for service in services:
                service.kill()


def login(node: Service, username: str, password: str) -> dict[str, str]:
    answer = httpx.post(f"{node.url}/login", json={"username": username, "password": password})
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


def test_what_one_node_revokes_the_other_refuses(nodes: tuple[Service, Service]) -> None:
    one, two = nodes
    admin = login(one, "admin", PASSWORD)
    httpx.post(f"{one.url}/users", json=USER, headers=admin).raise_for_status()
    logged_out, disabled = (login(one, "ann", USER["password"]) for _ in range(2))  # type: ignore[arg-type]
    new_key = {"name": "k", "permissions": ["count:*"]}
    key = httpx.post(f"{one.url}/keys", json=new_key, headers=disabled).raise_for_status().json()
    by_key = {"Authorization": f"Bearer {key['key']}"}

    def status(headers: dict[str, str]) -> set[int]:
        """Of many calls, so that each of the workers is asked."""
        return {httpx.get(f"{two.url}/me", headers=headers).status_code for _ in range(12)}

    assert [status(headers) for headers in (logged_out, disabled, by_key)] == [{200}] * 3
    ends: list[tuple[dict[str, str], Callable[[], httpx.Response]]] = [
        (logged_out, lambda: httpx.post(f"{one.url}/logout", headers=logged_out)),
        (by_key, lambda: httpx.delete(f"{one.url}/keys/{key['id']}", headers=admin)),
        (disabled, lambda: httpx.patch(f"{one.url}/users/ann", json={"disabled": True}, headers=admin)),
    ]
    for headers, end in ends:
        assert status(headers) == {200}
        end().raise_for_status()
        ended = time.monotonic()
        while status(headers) != {401}:
            assert time.monotonic() - ended < HOLDS_WITHIN_SECONDS
            time.sleep(0.1)
