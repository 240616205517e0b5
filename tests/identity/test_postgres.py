"""A real PostgreSQL as the database of the users: many nodes, its own order of names, and when it is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import Engine

from app.errors import Conflict, StoreUnavailable
from app.people import Account, AccountChange, Actor, Deed
from app.storage.sql.engine import make_engine
from app.storage.sql.migrate import ONE_AT_A_TIME, migrate
from app.storage.sql.users import SqlUserStore
from tests.certificates import Authority
from tests.launcher.test_nodes import login, nodes, test_what_one_node_revokes_the_other_refuses
from tests.postgres_server import PrivatePostgres
from tests.service import Service, wait_until

__all__ = ["nodes", "test_what_one_node_revokes_the_other_refuses"]  # the same, on the database below

BY = Actor("tests")
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
NAMES = ["Zoe", "ada", "ann", "b.ob", "b_ob", "bob", "zoe"]  # by their bytes, as no language has them


@pytest.fixture
def database_url(postgres: PrivatePostgres) -> str:
    return postgres.new_database()


def account(number: int, name: str, *roles: str) -> Account:
    return Account(f"{number:032x}", name, roles, (), disabled=False, epoch=0)


def add(store: SqlUserStore, added: Account) -> None:
    store.add(added, "a hash", Deed(BY, "user.add", added.username))


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[SqlUserStore]:
    with engine_of(database_url) as engine:
        migrate(engine, lock_file=tmp_path / "lock")
        yield SqlUserStore(engine)


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


def _launch(url: str, lock_file: Path) -> None:
    with engine_of(url) as engine:
        migrate(engine, lock_file=lock_file)


def test_launchers_that_start_at_once_migrate_an_empty_database_one_after_another(
    database_url: str, tmp_path: Path
) -> None:
    # A lock file each, as on machines of their own: only the database is left to keep them apart.
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
        with ProcessPoolExecutor(4, get_context("spawn")) as processes:
            launched = [processes.submit(_launch, database_url, tmp_path / str(number)) for number in range(4)]
            wait_until(lambda: holder.execute(WAITING).fetchone() == (4,))
            holder.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])
            for launch in launched:
                launch.result()
    with engine_of(database_url) as engine:
        assert SqlUserStore(engine).all() == []


def test_two_nodes_that_start_at_once_make_one_admin_who_can_log_in_at_both(nodes: tuple[Service, Service]) -> None:
    one, two = nodes
    admin = login(one, "admin", "the admin of two nodes")
    assert [user["username"] for user in httpx.get(f"{two.url}/users", headers=admin).json()["users"]] == ["admin"]
    made = httpx.get(f"{two.url}/audit?action=user.add", headers=login(two, "admin", "the admin of two nodes"))
    assert len(made.json()["entries"]) == 1


def test_names_are_in_the_order_of_their_bytes_and_differ_by_case(store: SqlUserStore) -> None:
    for number, name in enumerate(reversed(NAMES)):
        add(store, account(number, name))
    assert [each.username for each in store.all()] == NAMES
    assert [each.username for each in store.page(after="ann", limit=3)] == ["b.ob", "b_ob", "bob"]
    found = store.credentials("Zoe")
    assert found is not None
    assert found[0].username == "Zoe"
    with pytest.raises(Conflict):
        add(store, account(99, "Zoe"))


def test_of_the_last_two_admins_one_stays_however_often_both_go_at_once(store: SqlUserStore) -> None:
    for number, name in enumerate(("ann", "bob")):
        add(store, account(number, name, "admin"))

    def demote(name: str) -> bool:
        try:
            return store.change(name, AccountChange(roles=()), Deed(BY, "user.change", name)) is not None
        except Conflict:
            return False

    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            assert sorted(threads.map(demote, ("ann", "bob"))) == [False, True]
            for name in ("ann", "bob"):
                store.change(name, AccountChange(roles=("admin",)), Deed(BY, "user.change", name))


def test_a_connection_that_the_server_closed_is_replaced_unnoticed(
    postgres: PrivatePostgres, store: SqlUserStore
) -> None:
    add(store, account(1, "ann"))
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'pulpo_%'")
    assert store.by_id(account(1, "ann").id) is not None


def test_a_statement_that_waits_for_a_lock_ends_after_three_seconds(store: SqlUserStore) -> None:
    add(store, account(1, "ann"))
    with store._engine.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.by_id(account(1, "ann").id)
        assert 2.5 < time.monotonic() - began < 5


def test_tls_is_verified_as_the_url_says(tmp_path: Path) -> None:
    authority, strangers = Authority(tmp_path), tmp_path / "strangers"
    strangers.mkdir()
    with PrivatePostgres(authority.issue("DNS:localhost")) as server:
        url = server.url("postgres").replace("127.0.0.1", "localhost") + "?sslmode=verify-full&sslrootcert="
        with engine_of(f"{url}{authority.file}") as engine, engine.begin() as connection:
            used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert connection.exec_driver_sql(used).scalar_one() is True
        with engine_of(f"{url}{Authority(strangers).file}") as engine, pytest.raises(StoreUnavailable):
            SqlUserStore(engine).by_id("1")


def test_no_server_at_all_is_told_without_its_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with engine_of("postgresql://pulpo:hush@127.0.0.1:1/pulpo") as engine, pytest.raises(StoreUnavailable):
        SqlUserStore(engine).by_id("1")
    assert "hush" not in caplog.text
