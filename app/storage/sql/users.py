"""The user table in SQL, and the tokens that were revoked."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, Engine, Row, Update, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import Conflict
from app.people import Account, AccountChange, Deed, permissions_of
from app.storage.sql.audit import note
from app.storage.sql.engine import transaction
from app.storage.sql.tables import revoked_tokens, users

KEPT_AFTER_SECONDS = 300  # more than the clocks of nodes, or an issuer's and ours, may differ


class SqlUserStore:
    """One transaction a method."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def by_id(self, account_id: str) -> Account | None:
        with transaction(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.id == account_id)).first()
        return account_of(row) if row else None

    def credentials(self, username: str) -> tuple[Account, str] | None:
        with transaction(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.username == username)).first()
        return (account_of(row), row.password_hash) if row else None

    def all(self) -> list[Account]:
        with transaction(self._engine) as connection:
            return [account_of(row) for row in connection.execute(select(users).order_by(users.c.username))]

    def page(self, *, after: str, limit: int) -> list[Account]:
        """Up to `limit` accounts by name, beyond the name `after`."""
        query = select(users).where(users.c.username > after).order_by(users.c.username).limit(limit)
        with transaction(self._engine) as connection:
            return [account_of(row) for row in connection.execute(query)]

    def add(self, account: Account, password_hash: str, deed: Deed) -> None:
        """Adds a row; raises `Conflict` if the name is taken."""
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(users).values(_row(account, password_hash)))
                note(connection, deed)
        except IntegrityError as error:
            raise Conflict(f"There is a user {account.username} already.") from error

    def add_first(self, account: Account, password_hash: str, deed: Deed) -> bool:
        """Adds a row if there is none at all; of several nodes that add the same name at once, one succeeds."""
        try:
            with transaction(self._engine) as connection:
                if connection.execute(select(func.count()).select_from(users)).scalar_one():
                    return False
                connection.execute(insert(users).values(_row(account, password_hash)))
                note(connection, deed)
        except IntegrityError:
            return False
        return True

    def change(self, username: str, change: AccountChange, deed: Deed) -> Account | None:
        """Changes a row; None if there is none. Raises `Conflict` if no admin would be left."""
        values = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        if change.ends_sessions:
            values["epoch"] = users.c.epoch + 1
        with transaction(self._engine) as connection:
            _wait_for_turn(connection)
            if values and not connection.execute(_of(username).values(values)).rowcount:
                return None
            row = connection.execute(select(users).where(users.c.username == username)).first()
            if row is None:
                return None
            _keep_an_admin(connection, username)
            note(connection, deed)
        return account_of(row)

    def rehash(self, account_id: str, old_hash: str, new_hash: str) -> None:
        """Keeps another hash of the same password, unless it was changed meanwhile."""
        same = (users.c.id == account_id) & (users.c.password_hash == old_hash)
        with transaction(self._engine) as connection:
            connection.execute(update(users).where(same).values(password_hash=new_hash))

    def remove(self, username: str, deed: Deed) -> bool:
        """Deletes a row and the keys of its user. Raises `Conflict` if no admin would be left."""
        with transaction(self._engine) as connection:
            _wait_for_turn(connection)
            if not connection.execute(delete(users).where(users.c.username == username)).rowcount:
                return False
            _keep_an_admin(connection, username)
            note(connection, deed)
        return True

    def read(self) -> None:
        """Reads a row, for the health check."""
        with transaction(self._engine) as connection:
            connection.execute(select(users.c.id).limit(1)).first()


class SqlRevokedTokens:
    """Forgets a token a while after it would have expired anyway, since some clock may be slow."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, token_id: str, *, expires_at: int, deed: Deed) -> None:
        """Adds a token, unless it is there."""
        with suppress(IntegrityError), transaction(self._engine) as connection:
            over = revoked_tokens.c.expires_at < int(time.time()) - KEPT_AFTER_SECONDS
            connection.execute(delete(revoked_tokens).where(over))
            connection.execute(insert(revoked_tokens).values(token_id=token_id, expires_at=expires_at))
            note(connection, deed)

    def contains(self, token_id: str) -> bool:
        with transaction(self._engine) as connection:
            found = select(revoked_tokens.c.token_id).where(revoked_tokens.c.token_id == token_id)
            return connection.execute(found).first() is not None


def _keep_an_admin(connection: Connection, username: str) -> None:
    """Undoes the transaction by raising `Conflict` if it leaves nobody who may manage users.

    Nobody else changes users meanwhile: it has written already, which on SQLite locks all; elsewhere it had to wait.
    """
    left = [account_of(row) for row in connection.execute(select(users))]
    if not any("admin" in permissions_of(each.roles, each.permissions) for each in left if not each.disabled):
        raise Conflict(f"{username} is the last admin; make another one first.")


def _wait_for_turn(connection: Connection) -> None:
    """Locks every user, in one order, so that of two that would take the last two admins away one waits and sees."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(users.c.id).order_by(users.c.id).with_for_update())


def _of(username: str) -> Update:
    return update(users).where(users.c.username == username)


def _row(account: Account, password_hash: str) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username,
        "password_hash": password_hash,
        "roles": list(account.roles),
        "permissions": list(account.permissions),
        "disabled": account.disabled,
        "epoch": account.epoch,
    }


def account_of(row: Row[Any]) -> Account:
    """The account that a row of `users` holds."""
    return Account(row.id, row.username, tuple(row.roles), tuple(row.permissions), row.disabled, row.epoch)
