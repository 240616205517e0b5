"""Who there is: logging in, and what an operator does with the user table."""

from __future__ import annotations

import secrets
import uuid

from app.errors import Conflict, Fault, Invalid, NotFound, Unauthenticated
from app.models import PASSWORD_RULE, ROLES, USERNAME, Account, is_password, is_permission
from app.services.passwords import Passwords
from app.services.ports import UserStore


class Accounts:
    """The user table and its rules."""

    def __init__(self, users: UserStore, passwords: Passwords) -> None:
        self._users = users
        self._passwords = passwords

    def login(self, username: str, password: str) -> Account:
        """The account of a name and its password. Raises `Unauthenticated`, alike for every reason."""
        found = self._users.credentials(username)
        account, kept = found or (None, None)
        matches = self._passwords.matches(password, kept)
        if account is None or not matches or account.disabled:
            raise Unauthenticated("The username or the password is wrong.")
        return account

    def all(self) -> list[Account]:
        """Every account, by name."""
        return self._users.all()

    def add(self, username: str, password: str, *, roles: tuple[str, ...], permissions: tuple[str, ...]) -> Account:
        """Makes an account. Raises `Invalid`, or `Conflict` if the name is taken."""
        account = _new_account(username, roles, permissions)
        _check(account, password)
        self._users.add(account, self._passwords.hash(password))
        return account

    def add_first_admin(self, username: str, password: str) -> bool:
        """Makes the first account, an admin, if there is no account yet; says whether it did."""
        account = _new_account(username, ("admin",), ())
        _check(account, password)
        return self._users.add_first(account, self._passwords.hash(password))

    def set_password(self, username: str, password: str) -> None:
        """Changes a password; tokens issued before are refused from then on."""
        _check_password(password)
        _must_exist(username, found=self._users.set_password(username, self._passwords.hash(password)))

    def disable(self, username: str) -> None:
        """Locks an account out; its tokens are refused from then on. The last admin stays."""
        self._keep_an_admin(username)
        _must_exist(username, found=self._users.set_disabled(username, disabled=True))

    def enable(self, username: str) -> None:
        """Lets a disabled account in again, with new tokens."""
        _must_exist(username, found=self._users.set_disabled(username, disabled=False))

    def remove(self, username: str) -> None:
        """Deletes an account; its tokens are refused from then on. The last admin stays."""
        self._keep_an_admin(username)
        _must_exist(username, found=self._users.remove(username))

    def is_empty(self) -> bool:
        """Whether there is no account yet."""
        return not self._users.all()

    def _keep_an_admin(self, username: str) -> None:
        admins = [
            account.username for account in self._users.all() if "admin" in account.roles and not account.disabled
        ]
        if admins == [username]:
            raise Conflict(f"{username} is the last admin; make another one first.")


def generated_password() -> str:
    """A password nobody has to remember: 128 random bits."""
    return secrets.token_urlsafe(16)


def _new_account(username: str, roles: tuple[str, ...], permissions: tuple[str, ...]) -> Account:
    return Account(uuid.uuid4().hex, username, roles, permissions, disabled=False, epoch=0)


def _check(account: Account, password: str) -> None:
    faults = []
    if not USERNAME.fullmatch(account.username):
        faults.append(
            Fault("must have 1 to 64 of A-Z a-z 0-9 . _ @ - and begin with a letter or digit", pointer="/username")
        )
    faults += [
        Fault(f"{role!r} is none of {', '.join(ROLES)}", pointer="/roles")
        for role in account.roles
        if role not in ROLES
    ]
    faults += [
        Fault(f"{permission!r} is not action:pattern, system or admin", pointer="/permissions")
        for permission in account.permissions
        if not is_permission(permission)
    ]
    if faults:
        raise Invalid("The account is not valid: " + "; ".join(fault.detail for fault in faults) + ".", faults=faults)
    _check_password(password)


def _check_password(password: str) -> None:
    if not is_password(password):
        raise Invalid(PASSWORD_RULE, faults=[Fault(PASSWORD_RULE, pointer="/password")])


def _must_exist(username: str, *, found: bool) -> None:
    if not found:
        raise NotFound(f"There is no user {username}.")
