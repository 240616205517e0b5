"""The API keys in SQL, without their secrets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import Conflict
from app.people import Account, ApiKey, Deed
from app.storage.sql.audit import note
from app.storage.sql.engine import transaction
from app.storage.sql.tables import api_keys, users
from app.storage.sql.users import account_of

MOST_KEYS_A_USER = 100


class SqlKeyStore:
    """One transaction a method."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def with_owner(self, key_id: str) -> tuple[ApiKey, Account] | None:
        """A key and the account that it acts for."""
        with transaction(self._engine) as connection:
            key = connection.execute(_keys().where(api_keys.c.id == key_id)).first()
            owner = connection.execute(select(users).where(users.c.id == key.owner_id)).first() if key else None
        return (_key(key), account_of(owner)) if key and owner else None

    def page(self, *, owner: str | None, after: str, limit: int) -> list[ApiKey]:
        """Up to `limit` keys by id, beyond the id `after`: of one user, or (None) of all."""
        query = _keys().where(api_keys.c.id > after).order_by(api_keys.c.id).limit(limit)
        if owner is not None:
            query = query.where(users.c.username == owner)
        with transaction(self._engine) as connection:
            return [_key(row) for row in connection.execute(query)]

    def add(self, key: ApiKey, deed: Deed) -> None:
        """Adds a row; raises `Conflict` if its owner has as many as one may have, or is gone."""
        row = {
            "id": key.id,
            "owner_id": key.owner_id,
            "name": key.name,
            "permissions": list(key.permissions),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "last_used_at": key.last_used_at,
        }
        theirs = select(func.count()).select_from(api_keys).where(api_keys.c.owner_id == key.owner_id)
        try:
            with transaction(self._engine) as connection:
                # Their row is locked, and on SQLite the insert locks all, so that no two count past each other.
                connection.execute(select(users.c.id).where(users.c.id == key.owner_id).with_for_update())
                connection.execute(insert(api_keys).values(row))
                if connection.execute(theirs).scalar_one() > MOST_KEYS_A_USER:
                    raise Conflict(f"A user may have {MOST_KEYS_A_USER} keys; delete one that nobody needs.")
                note(connection, deed)
        except IntegrityError as error:
            raise Conflict("The user that the key is for is gone.") from error

    def remove(self, key_id: str, *, owner_id: str | None, deed: Deed) -> bool:
        """Deletes a key, only if it is of the account `owner_id` unless that is None."""
        mine = api_keys.c.id == key_id
        if owner_id is not None:
            mine &= api_keys.c.owner_id == owner_id
        with transaction(self._engine) as connection:
            if not connection.execute(delete(api_keys).where(mine)).rowcount:
                return False
            note(connection, deed)
        return True

    def touch(self, key_id: str, minute: int) -> None:
        """Keeps when a key was last used."""
        with transaction(self._engine) as connection:
            connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=minute))


def _keys() -> Select[Any]:
    return select(api_keys, users.c.username).join(users, users.c.id == api_keys.c.owner_id)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        owner_id=row.owner_id,
        owner=row.username,
        name=row.name,
        permissions=tuple(row.permissions),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
