"""Who there is: logging in, and what an operator does with the user table."""

from __future__ import annotations

import secrets
import uuid

import msgspec
from msgspec import UNSET, UnsetType

from app.errors import Fault, Forbidden, Invalid, NotFound, RateLimited, Unauthenticated
from app.people import PASSWORD_RULE, ROLES, USERNAME, Account, AccountChange, Actor, Deed, is_password, is_permission
from app.services.passwords import Passwords
from app.services.ports import AuditLog, LoginLimits, UserStore


class Accounts:
    """The user table and its rules. Whatever changes it says who `by`, for the audit log."""

    def __init__(self, users: UserStore, passwords: Passwords, audit: AuditLog, limits: LoginLimits) -> None:
        self._users = users
        self._passwords = passwords
        self._audit = audit
        self._limits = limits

    def login(self, username: str, password: str, *, by: Actor) -> Account:
        """The account of a name and its password. Raises `Unauthenticated`, alike for every reason.

        Raises `RateLimited` after too many refusals, the right password included.
        """
        self._begin(username, by)
        account, kept = self._credentials(username) or (None, None)
        matches = self._passwords.matches(password, kept)
        if account is None or kept is None or not matches or account.disabled:
            # Who there is not stays out of the log: somebody may have typed a password there.
            target = account.username if account else "?"
            self._note_refusal(username, Deed(by, "login", target, "refused"))
            raise Unauthenticated("The username or the password is wrong.")
        self._limits.succeeded(username, by.address)
        if self._passwords.is_outdated(kept):
            self._users.rehash(account.id, kept, self._passwords.hash(password))
        self._audit.record(Deed(msgspec.structs.replace(by, name=username), "login", username))
        return account

    def knows(self, username: str) -> bool:
        """Whether the user table has this name, so that nobody from elsewhere can log in by it."""
        return self._credentials(username) is not None

    def all(self) -> list[Account]:
        """Every account, by name."""
        return self._users.all()

    def page(self, *, after: str, limit: int) -> list[Account]:
        """Up to `limit` accounts by name, beyond the name `after`."""
        return self._users.page(after=after, limit=limit)

    def one(self, username: str) -> Account:
        """The account of a name. Raises `NotFound`."""
        found = self._credentials(username)
        if found is None:
            raise _no_user(username)
        return found[0]

    def add(
        self, username: str, password: str, *, roles: tuple[str, ...], permissions: tuple[str, ...], by: Actor
    ) -> Account:
        """Makes an account. Raises `Invalid`, or `Conflict` if the name is taken."""
        account = _new_account(username, roles, permissions)
        _check(account)
        _check_password(password)
        self._users.add(
            account, self._passwords.hash(password), Deed(by, "user.add", username, detail=_rights(account))
        )
        return account

    def add_first_admin(self, username: str, password: str, *, by: Actor) -> bool:
        """Makes the first account, an admin, if there is no account yet; says whether it did."""
        account = _new_account(username, ("admin",), ())
        _check(account)
        _check_password(password)
        deed = Deed(by, "user.add", username, detail=_rights(account))
        return self._users.add_first(account, self._passwords.hash(password), deed)

    def change(
        self,
        username: str,
        *,
        roles: tuple[str, ...] | UnsetType = UNSET,
        permissions: tuple[str, ...] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        password: str | UnsetType = UNSET,
        by: Actor,
    ) -> Account:
        """Changes what is given. A disabled account's tokens, and those from before a change of password, are refused.

        Raises `Invalid`, `NotFound`, and `Conflict` if no admin would be left.
        """
        _check(_new_account("unchanged", () if roles is UNSET else roles, () if permissions is UNSET else permissions))
        if password is not UNSET:
            _check_password(password)
        change = AccountChange(
            password_hash=UNSET if password is UNSET else self._passwords.hash(password),
            roles=roles,
            permissions=permissions,
            disabled=disabled,
        )
        deed = Deed(by, "user.change", username, detail=_what_changes(change))
        account = self._users.change(username, change, deed) if USERNAME.fullmatch(username) else None
        if account is None:
            raise _no_user(username)
        return account

    def set_password(self, username: str, password: str, *, by: Actor) -> None:
        """Changes a password; tokens issued before are refused from then on."""
        self.change(username, password=password, by=by)

    def change_own_password(self, username: str, current: str, new: str, *, by: Actor) -> None:
        """The same for one's own password. Raises `Forbidden` if `current` is not it, `RateLimited` as a login does."""
        _check_password(new, pointer="/new")
        self._begin(username, by)
        found = self._credentials(username)
        if found is None or not self._passwords.matches(current, found[1]):
            self._note_refusal(username, Deed(by, "user.change", username, "refused"))
            raise Forbidden("The current password is wrong.")
        self._limits.succeeded(username, by.address)
        self.set_password(username, new, by=by)

    def disable(self, username: str, *, by: Actor) -> None:
        """Locks an account out; its tokens are refused from then on. The last admin stays."""
        self.change(username, disabled=True, by=by)

    def enable(self, username: str, *, by: Actor) -> None:
        """Lets a disabled account in again, with new tokens."""
        self.change(username, disabled=False, by=by)

    def remove(self, username: str, *, by: Actor) -> None:
        """Deletes an account and its API keys; its tokens are refused from then on. The last admin stays."""
        if not USERNAME.fullmatch(username) or not self._users.remove(username, Deed(by, "user.remove", username)):
            raise _no_user(username)

    def is_empty(self) -> bool:
        """Whether there is no account yet."""
        return not self._users.page(after="", limit=1)

    def _credentials(self, username: str) -> tuple[Account, str] | None:
        """Of a text that is no name the table is not asked: not every database takes it."""
        return self._users.credentials(username) if USERNAME.fullmatch(username) else None

    def _begin(self, username: str, by: Actor) -> None:
        wait = self._limits.begin(username, by.address)
        if wait:
            raise RateLimited("Too many wrong logins; try again later.", retry_after_seconds=wait)

    def _note_refusal(self, username: str, deed: Deed) -> None:
        self._limits.failed(username, deed.actor.address)
        wait = self._limits.wait_seconds(username, deed.actor.address)
        detail = f"the next may come in {wait} s" if wait else ""
        self._audit.record_refusal(msgspec.structs.replace(deed, detail=detail))


def generated_password() -> str:
    """A password nobody has to remember: 128 random bits."""
    return secrets.token_urlsafe(16)


def _new_account(username: str, roles: tuple[str, ...], permissions: tuple[str, ...]) -> Account:
    return Account(uuid.uuid4().hex, username, roles, permissions, disabled=False, epoch=0)


def _check(account: Account) -> None:
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
    faults += faults_of(account.permissions)
    if faults:
        raise Invalid("The account is not valid: " + "; ".join(fault.detail for fault in faults) + ".", faults=faults)


def faults_of(permissions: tuple[str, ...]) -> list[Fault]:
    """What is wrong with each of some permissions."""
    return [
        Fault(f"{permission!r} is not action:pattern, system or admin", pointer="/permissions")
        for permission in permissions
        if not is_permission(permission)
    ]


def _check_password(password: str, *, pointer: str = "/password") -> None:
    if not is_password(password):
        raise Invalid(PASSWORD_RULE, faults=[Fault(PASSWORD_RULE, pointer=pointer)])


def _no_user(username: str) -> NotFound:
    return NotFound(f"There is no user {username}.")


def _rights(account: Account) -> str:
    return " ".join([*account.roles, *account.permissions])


def _what_changes(change: AccountChange) -> str:
    parts = [] if change.password_hash is UNSET else ["password"]
    if change.roles is not UNSET:
        parts.append(f"roles: {' '.join(change.roles)}")
    if change.permissions is not UNSET:
        parts.append(f"permissions: {' '.join(change.permissions)}")
    if change.disabled is not UNSET:
        parts.append("disabled" if change.disabled else "enabled")
    return "; ".join(parts)
