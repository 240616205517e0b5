"""Who gets a token for a name and a password: a user of the user table, or somebody whom a provider knows."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Callable

import msgspec

from app.errors import IdentityUnavailable, RateLimited, Unauthenticated
from app.people import TYPED_NAME, Actor, Admitted, Deed, Refusal
from app.services.accounts import Accounts
from app.services.identity.rights import Rights
from app.services.ports import AuditLog, IdentityProvider, LoginLimits
from app.services.tokens import Issued, Tokens

# Nobody tells Pulpo of a user who was disabled elsewhere; a token of ours must not outlast that for long.
MOST_GUEST_SECONDS = 900
MOST_AT_ONCE = 3  # questions to a provider, each of which holds a thread: fewer than a process has at least
REFUSED = "The username or the password is wrong."


class Logins:
    """A name of the user table is never asked of the provider, so neither can take the other's name over."""

    def __init__(
        self,
        accounts: Accounts,
        tokens: Tokens,
        audit: AuditLog,
        limits: LoginLimits,
        *,
        provider: IdentityProvider | None = None,
        rights: Rights = Rights(),  # noqa: B008 - it is frozen
        now: Callable[[], float] = time.time,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._audit = audit
        self._limits = limits
        self._provider = provider
        self._rights = rights
        self._now = now
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def login(self, username: str, password: str, *, by: Actor) -> Issued:
        """A token for a name and its password. Raises `Unauthenticated`, alike for every reason.

        Raises `RateLimited` after too many refusals, and `IdentityUnavailable` where the provider does not answer.
        """
        provider = self._provider
        if provider is None:
            return self._at_home(username, password, by)
        prefix = f"{provider.name}:"
        if not username.startswith(prefix) and self._accounts.knows(username):
            try:
                return self._at_home(username, password, by)
            except Unauthenticated as error:
                raise _refused(provider) from error
        return self._elsewhere(provider, username.removeprefix(prefix), password, by)

    def _at_home(self, username: str, password: str, by: Actor) -> Issued:
        account = self._accounts.login(username, password, by=by)
        return Issued(self._tokens.issue(account), self._tokens.lifetime_seconds)

    def _elsewhere(self, provider: IdentityProvider, username: str, password: str, by: Actor) -> Issued:
        counted = f"{provider.name}:{_counted(provider.bare(username))}"
        if wait := self._limits.begin(counted, by.address):
            raise RateLimited("Too many wrong logins; try again later.", retry_after_seconds=wait)
        try:
            answer = self._ask(provider, username, password)
        except (IdentityUnavailable, RateLimited) as error:
            self._limits.unanswered(counted, by.address)
            detail = f"{provider.name}: {error.detail}"
            self._audit.record_refusal(Deed(by, "login", "?", "unanswered", detail))
            raise
        if isinstance(answer, Refusal):
            self._note_refusal(provider, counted, answer, by)
            raise _refused(provider)
        self._limits.succeeded(counted, by.address)
        name = answer.who.username
        deed = Deed(msgspec.structs.replace(by, name=name), "login", name, detail=f"let in by {provider.name}")
        self._audit.record(deed)
        return self._issue(provider, answer)

    def _ask(self, provider: IdentityProvider, username: str, password: str) -> Admitted | Refusal:
        # A directory takes an empty password for no password at all, and lets anybody in as nobody.
        if not password or not TYPED_NAME.fullmatch(username):
            return Refusal("no such name or password can be")
        if not self._places.acquire(blocking=False):
            raise RateLimited("Too many logins at once; try again in a moment.")
        try:
            return provider.login(username, password)
        finally:
            self._places.release()

    def _note_refusal(self, provider: IdentityProvider, counted: str, refusal: Refusal, by: Actor) -> None:
        self._limits.failed(counted, by.address)
        wait = self._limits.wait_seconds(counted, by.address)
        parts = [f"{provider.name}: {refusal.reason}"] + ([f"the next may come in {wait} s"] if wait else [])
        # Who there is not stays out of the log: somebody may have typed a password there.
        target = f"{provider.name}:{refusal.name}" if refusal.name else "?"
        self._audit.record_refusal(Deed(by, "login", target, "refused", "; ".join(parts)))

    def _issue(self, provider: IdentityProvider, answer: Admitted) -> Issued:
        if answer.token is not None:
            return Issued(answer.token, max(0, provider.read(answer.token).expires_at - int(self._now())))
        roles, permissions = self._rights.of(answer.who)
        return self._tokens.issue_to_guest(
            answer.who, roles=roles, permissions=permissions, most_seconds=MOST_GUEST_SECONDS
        )


def _refused(provider: IdentityProvider) -> Unauthenticated:
    return Unauthenticated(" ".join(filter(None, [REFUSED, provider.advice])))


def _counted(username: str) -> str:
    """The one spelling under which tries at a name are counted; directories take Ädä, ada and ADA for the same."""
    letters = unicodedata.normalize("NFKD", username)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
