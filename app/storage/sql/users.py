"""The user table in SQL, and the tokens that were revoked."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, Row, Update, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import Conflict
from app.models import Account
from app.storage.sql.engine import transaction
from app.storage.sql.tables import revoked_tokens, users


class SqlUserStore:
    """One statement a method, each in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def by_id(self, account_id: str) -> Account | None:
        with transaction(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.id == account_id)).first()
        return _account(row) if row else None

    def credentials(self, username: str) -> tuple[Account, str] | None:
        with transaction(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.username == username)).first()
        return (_account(row), row.password_hash) if row else None

    def all(self) -> list[Account]:
        with transaction(self._engine) as connection:
            return [_account(row) for row in connection.execute(select(users).order_by(users.c.username))]

    def add(self, account: Account, password_hash: str) -> None:
        """Adds a row; raises `Conflict` if the name is taken."""
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(users).values(_row(account, password_hash)))
        except IntegrityError as error:
            raise Conflict(f"There is a user {account.username} already.") from error

    def add_first(self, account: Account, password_hash: str) -> bool:
        """Adds a row if there is none at all; of several nodes that try at once, one succeeds."""
        try:
            with transaction(self._engine) as connection:
                if connection.execute(select(func.count()).select_from(users)).scalar_one():
                    return False
                connection.execute(insert(users).values(_row(account, password_hash)))
        except IntegrityError:
            return False
        return True

    def set_password(self, username: str, password_hash: str) -> bool:
        return self._update(_of(username).values(password_hash=password_hash, epoch=users.c.epoch + 1))

    def set_disabled(self, username: str, *, disabled: bool) -> bool:
        return self._update(_of(username).values(disabled=disabled, epoch=users.c.epoch + 1))

    def remove(self, username: str) -> bool:
        with transaction(self._engine) as connection:
            return connection.execute(delete(users).where(users.c.username == username)).rowcount == 1

    def read(self) -> None:
        """Reads a row, for the health check."""
        with transaction(self._engine) as connection:
            connection.execute(select(users.c.id).limit(1)).first()

    def _update(self, statement: Update) -> bool:
        with transaction(self._engine) as connection:
            return connection.execute(statement).rowcount == 1


class SqlRevokedTokens:
    """Forgets a token once it would have expired anyway."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, token_id: str, *, expires_at: int) -> None:
        with transaction(self._engine) as connection:
            connection.execute(delete(revoked_tokens).where(revoked_tokens.c.expires_at < int(time.time())))
            connection.execute(delete(revoked_tokens).where(revoked_tokens.c.token_id == token_id))
            connection.execute(insert(revoked_tokens).values(token_id=token_id, expires_at=expires_at))

    def contains(self, token_id: str) -> bool:
        with transaction(self._engine) as connection:
            found = select(revoked_tokens.c.token_id).where(revoked_tokens.c.token_id == token_id)
            return connection.execute(found).first() is not None


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


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.username, tuple(row.roles), tuple(row.permissions), row.disabled, row.epoch)
