"""What every test may ask for: a private real Redis, a user table of its own, the app on both, and who calls it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask, has_app_context
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app import create_app
from app.people import Account, Actor, Deed
from app.services.passwords import Passwords
from app.settings import Secret, Settings
from app.storage.keys import QueueKeys
from app.storage.sql.engine import make_engine
from app.storage.sql.migrate import migrate
from app.storage.sql.users import SqlUserStore
from app.web import afterwards
from app.web.context import EXTENSION, Services
from tests.postgres_server import PrivatePostgres
from tests.redis_server import PrivateRedis

SECRET = "the-secret-of-the-tests-and-nothing-else"
BY = Actor("tests")
PASSWORD = "correct horse battery staple"
ON_POSTGRES = os.environ.get("TEST_DATABASE") == "postgres"  # what `make identity` sets


def _account(number: int, username: str, *roles: str, permissions: tuple[str, ...] = ()) -> Account:
    return Account(f"{number:032x}", username, roles, permissions, disabled=False, epoch=0)


ACCOUNTS = {
    account.username: account
    for account in (
        _account(1, "admin", "admin"),
        _account(2, "producer", "producer"),
        _account(3, "consumer", "consumer"),
        _account(4, "viewer", "viewer"),
        _account(5, "orders-producer", permissions=("push:orders.*",)),
        _account(6, "orders-consumer", permissions=("pop:orders.*",)),
        _account(7, "nobody"),
    )
}

MakeApp = Callable[[Settings], Flask]
Bearer = Callable[[str], dict[str, str]]
Login = Callable[[str, str], TestResponse]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    with PrivateRedis() as server:
        yield server
        assert server.denied() == [], "deploy/redis/acl-rules lacks something"


@pytest.fixture(scope="session")
def new_user_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Makes a migrated database, in a directory if it is a file, that holds `ACCOUNTS`, all with `PASSWORD`."""
    if ON_POSTGRES:
        with PrivatePostgres() as server:
            template = server.new_database()
            _fill(template, tmp_path_factory.mktemp("user-table"))
            yield lambda _: server.new_database(template.rpartition("/")[2])
        return
    directory = tmp_path_factory.mktemp("user-table")
    _fill(f"sqlite:///{directory / 'pulpo.db'}", directory)
    yield lambda place: f"sqlite:///{shutil.copy(directory / 'pulpo.db', place / 'pulpo.db')}"


def _fill(url: str, directory: Path) -> None:
    engine = make_engine(url)
    migrate(engine, lock_file=directory / "migrate.lock")
    password_hash = Passwords().hash(PASSWORD)
    for account in ACCOUNTS.values():
        SqlUserStore(engine).add(account, password_hash, Deed(BY, "user.add", account.username))
    engine.dispose()


@pytest.fixture
def redis_client(redis_server: PrivateRedis) -> Iterator[Redis]:
    """A client of the private server, which is empty when the test begins."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(
    tmp_path: Path, new_user_table: Callable[[Path], str], redis_server: PrivateRedis, redis_client: Redis
) -> Settings:
    return Settings(
        data_dir=tmp_path,
        secret=Secret(SECRET),
        redis_url=Secret(redis_server.user_url),
        database_url=Secret(new_user_table(tmp_path)),
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Engine]:
    """The database of the user table, for a test to look at or change behind the back of Pulpo."""
    engine = make_engine(settings.database_address.reveal())
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What a test leaves to be logged does not fall into the next one."""
    yield
    afterwards.work_off()


@pytest.fixture
def has_fast_door() -> bool:
    """Whether hot operations are answered before Flask."""
    return True


@pytest.fixture
def make_app(has_fast_door: bool) -> Iterator[MakeApp]:
    """Makes apps of settings, and closes their connections when the test ends."""
    apps: list[Flask] = []

    def make(settings: Settings) -> Flask:
        apps.append(create_app(settings, fast_door=has_fast_door))
        return apps[-1]

    yield make
    for app in apps:
        close(app)


@pytest.fixture
def app(settings: Settings, make_app: MakeApp) -> Flask:
    return make_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A caller without a token."""
    return app.test_client()


@pytest.fixture
def bearer(app: Flask) -> Bearer:
    """The headers of a user of `ACCOUNTS`, with a token minted without a login."""
    return lambda username: bearer_headers(app, username)


@pytest.fixture
def login(client: FlaskClient) -> Login:
    """A real login, which costs what argon2 costs."""
    return lambda username, password: client.post("/login", json={"username": username, "password": password})


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    return client_of(app, "admin")


@pytest.fixture
def producer(app: Flask) -> FlaskClient:
    """May push to and count every queue."""
    return client_of(app, "producer")


@pytest.fixture
def consumer(app: Flask) -> FlaskClient:
    """May pop from, count and peek into every queue."""
    return client_of(app, "consumer")


@pytest.fixture
def viewer(app: Flask) -> FlaskClient:
    """May count every queue and see the system."""
    return client_of(app, "viewer")


@pytest.fixture
def orders_producer(app: Flask) -> FlaskClient:
    """May push to orders.* and nothing else."""
    return client_of(app, "orders-producer")


@pytest.fixture
def orders_consumer(app: Flask) -> FlaskClient:
    """May pop from orders.* and nothing else."""
    return client_of(app, "orders-consumer")


@pytest.fixture
def end_leases(redis_client: Redis) -> Callable[[str], None]:
    """Makes every lease of a queue have run out a second ago, as if its time had passed."""

    def end(queue: str) -> None:
        a_second_ago_ms = int(time.time() * 1000) - 1000
        keys = QueueKeys.of("pulpo", queue)
        redis_client.hdel(keys.queue, "next_due")
        for key in keys.leased:
            for message_id in redis_client.zrange(key, 0, -1):
                redis_client.zadd(key, {bytes(message_id): a_second_ago_ms})  # type: ignore[arg-type]

    return end


@pytest.fixture
def age(redis_client: Redis) -> Callable[[str, float], None]:
    """Makes what a ZSET of times holds older by some seconds, as if they had passed."""

    def make_older(key: str, seconds: float) -> None:
        for member in redis_client.zrange(key, 0, -1):
            redis_client.zincrby(key, -seconds * 1000, member)  # type: ignore[arg-type]
        redis_client.hdel(f"{key.partition('}')[0]}}}:queue", "next_due")

    return make_older


@pytest.fixture(autouse=True)
def _no_context_is_left_over() -> Iterator[None]:
    yield
    assert not has_app_context()


def bearer_headers(app: Flask, username: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {services_of(app).tokens.issue(ACCOUNTS[username])}"}


def services_of(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services


def client_of(app: Flask, username: str) -> FlaskClient:
    """A client that presents a token of `username` with every request."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer_headers(app, username)["Authorization"]
    return client


def close(app: Flask) -> None:
    services: Services = app.extensions[EXTENSION]
    services.health._redis._servers.close()  # type: ignore[attr-defined]
    services.accounts._users._engine.dispose()  # type: ignore[attr-defined]
