"""Active Directory and other LDAP directories: who somebody is, by a bind of their own, and their groups."""

from __future__ import annotations

import logging
import re
import secrets
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import ldap3
import msgspec
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from app.errors import IdentityUnavailable, Unauthenticated
from app.people import Admitted, Outsider, OutsideToken, Refusal, name_of_outsider

log = logging.getLogger(__name__)

MOST_SECONDS = 5.0  # for a whole login
CONNECT_SECONDS = 2.0  # then the next server is tried
SUCCESS, SIZE_LIMIT_EXCEEDED, NO_SUCH_OBJECT, INVALID_DN = 0, 4, 32, 34
# What directories answer to the bind of a user who may not log in: constraint violation, no such object, invalid DN,
# inappropriate authentication, invalid credentials, insufficient access, unwilling to perform.
REFUSED = frozenset({19, 32, 34, 48, 49, 50, 53})
IDS = ("objectGUID", "entryUUID", "nsUniqueId", "ipaUniqueID")  # that outlive a new name; none is given twice
NAMES = ("sAMAccountName", "uid", "cn")
NO_ATTRIBUTES = "1.1"  # RFC 4511
IN_CHAIN = "1.2.840.113556.1.4.1941"  # Active Directory's rule: also by way of groups in groups
# Active Directory's reasons, in the text of its answer.
AD_REASONS = {
    "525": "there is no such user",
    "52e": "the password is wrong",
    "530": "they may not log in at this hour",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password has to be changed first",
    "775": "the account is locked",
}


class Finding(msgspec.Struct, frozen=True):
    """How a directory finds a user: by the account `bind_dn`, or, with a `domain`, by the user's own rights."""

    base: str
    domain: str | None
    bind_dn: str | None
    bind_password: str | None
    user_filter: str | None

    def __repr__(self) -> str:
        return f"Finding(base={self.base!r}, domain={self.domain!r}, bind_dn={self.bind_dn!r})"

    @property
    def by_themselves(self) -> bool:
        """Whether users are looked for with their own rights."""
        return self.domain is not None and self.bind_dn is None

    def principal(self, username: str) -> str:
        """What Active Directory takes for a bind: the user principal name."""
        return username if "@" in username else f"{username}@{self.domain}"

    def filter_of(self, username: str) -> str:
        """The filter for a name, which counts as text whatever is in it (RFC 4515)."""
        name = escape_filter_chars(username)
        if self.user_filter is not None:
            return self.user_filter.replace("{}", name)
        if self.domain is None:
            return f"(uid={name})"
        upn = escape_filter_chars(self.principal(username))
        return f"(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={name})(userPrincipalName={upn})))"


class Entry(msgspec.Struct, frozen=True):
    """A user of a directory."""

    dn: str
    subject: str
    name: str
    is_active_directory: bool


class Ldap:
    """Each login has a connection of its own, and 5 s."""

    name = "ldap"
    advice = ""

    def __init__(self, urls: Sequence[str], finding: Finding, groups: Sequence[str], *, ca_file: str | None) -> None:
        """`groups` are the DNs of those that are asked about; an `ldap://` address is one for StartTLS."""
        self._tls = _VerifiedTls(ssl.create_default_context(cafile=ca_file))
        self._urls = tuple(urls)
        self._finding = finding
        self._groups = tuple(groups)

    def bare(self, username: str) -> str:
        """The name without a domain, which Active Directory takes in several spellings, and without any."""
        return username.partition("@")[0] if self._finding.domain is not None else username

    def read(self, token: str) -> OutsideToken:  # noqa: ARG002 - the others look at it
        """Refuses any token: a directory makes none."""
        raise Unauthenticated("The token is not valid; log in again.")

    def login(self, username: str, password: str) -> Admitted | Refusal:
        """Who a name and its password stand for. Raises `IdentityUnavailable`."""
        # A bind without one succeeds as nobody (RFC 4513, 5.1.2), and what ends at a NUL may be one without.
        if not password or "\0" in password:
            return Refusal("no password is like that")
        if not username.isprintable():  # Active Directory takes ada and a NUL for ada
            return Refusal("no name is like that")
        try:
            with self._line() as line:
                return self._login(line, username, password)
        except IdentityUnavailable:
            raise
        except Exception as error:  # ldap3 raises whatever a garbled answer makes it stumble over
            raise unavailable(str(error) or type(error).__name__) from error

    def _login(self, line: _Line, username: str, password: str) -> Admitted | Refusal:
        refusal = self._bind_to_look(line, username, password)
        if refusal is not None:
            return refusal
        entries = line.find(self._finding.base, self._finding.filter_of(username))
        # Where nobody is found a bind is tried all the same, so that both take a bind's time.
        dn = entries[0].dn if len(entries) == 1 else f"cn={secrets.token_hex(16)},{self._finding.base}"
        reason = line.bind(dn, password)
        if len(entries) != 1:
            return Refusal("several entries have this name" if entries else "there is no such user")
        if reason is not None:
            return Refusal(reason, name_of_outsider(entries[0].name))
        if not self._finding.by_themselves:  # who may see more than the user
            self._bind_to_look(line, username, password)
        return Admitted(self._outsider(line, entries[0]))

    def _bind_to_look(self, line: _Line, username: str, password: str) -> Refusal | None:
        finding = self._finding
        if finding.by_themselves:
            reason = line.bind(finding.principal(username), password)
            return None if reason is None else Refusal(reason)
        reason = line.bind(finding.bind_dn or "", finding.bind_password or "")
        if reason is not None:
            raise unavailable(f"it refuses the account of PULPO_LDAP_BIND_DN: {reason}")
        return None

    def _outsider(self, line: _Line, entry: Entry) -> Outsider:
        groups = tuple(group for group in self._groups if line.is_member(entry, group))
        return Outsider(self.name, entry.subject, name_of_outsider(entry.name), groups)

    @contextmanager
    def _line(self) -> Iterator[_Line]:
        deadline = time.monotonic() + MOST_SECONDS
        connection = self._connect(deadline)
        try:
            yield _Line(connection, deadline)
        finally:
            with suppress(LDAPException, OSError):
                connection.unbind()

    def _connect(self, deadline: float) -> ldap3.Connection:
        """A connection with TLS to the first server that takes it, which is the first one to be asked from then on."""
        for url in self._urls:
            server = _server(url, self._tls)
            connection = ldap3.Connection(
                server, read_only=True, auto_referrals=False, receive_timeout=int(CONNECT_SECONDS)
            )
            try:
                connection.open(read_server_info=False)
                if not server.ssl:
                    connection.start_tls(read_server_info=False)
            except (LDAPException, OSError) as error:
                log.warning("the directory at %s cannot be used: %s", url, error)
                if connection.socket is not None:
                    connection.socket.close()
                if time.monotonic() > deadline - CONNECT_SECONDS:
                    break
            else:
                self._urls = (url, *(each for each in self._urls if each != url))
                return connection
        raise unavailable("no server of PULPO_LDAP_URL can be used")


class _Line:
    """A connection, and the moment by which all that is asked on it must be answered."""

    def __init__(self, connection: ldap3.Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def bind(self, dn: str, password: str) -> str | None:
        """Becomes `dn`; if that is refused, why. No name at all is for those who let anybody look."""
        self._hurry()
        if dn:
            # As bytes it goes as it was typed; of text ldap3 makes another, and stumbles over some.
            self._connection.rebind(dn, password.encode(), authentication=ldap3.SIMPLE, read_server_info=False)
        else:
            self._connection.rebind(authentication=ldap3.ANONYMOUS, read_server_info=False)
        result = self._connection.result
        if result["result"] == SUCCESS:
            return None
        if result["result"] not in REFUSED:
            raise unavailable(f"it answers a bind with {result['description']}: {result['message']}")
        return _reason(result)

    def find(self, base: str, wanted: str) -> list[Entry]:
        """The users below `base` that a filter fits; two mean several."""
        code, found = self._search(base, wanted, ldap3.SUBTREE, [*IDS, *NAMES], limit=2)
        if code not in {SUCCESS, SIZE_LIMIT_EXCEEDED}:
            raise unavailable(f"it answers a search below {base} with {self._connection.result['description']}")
        return [_entry(each) for each in found]

    def is_member(self, entry: Entry, group: str) -> bool:
        """Whether a user is in a group; in Active Directory also by way of other groups."""
        dn, name = escape_filter_chars(entry.dn), escape_filter_chars(entry.name)
        if entry.is_active_directory:
            wanted = f"(member:{IN_CHAIN}:={dn})"
        else:
            wanted = f"(|(member={dn})(uniqueMember={dn})(memberUid={name}))"
        code, found = self._search(group, wanted, ldap3.BASE, [NO_ATTRIBUTES], limit=1)
        if code in {NO_SUCH_OBJECT, INVALID_DN}:
            log.warning("the directory has no group %s, which PULPO_IDENTITY_GROUPS names", group)
        elif code != SUCCESS:
            raise unavailable(f"it answers a search in {group} with {self._connection.result['description']}")
        return bool(found)

    def _search(
        self, base: str, wanted: str, scope: Any, attributes: list[str], *, limit: int
    ) -> tuple[int, list[dict[str, Any]]]:
        left = self._hurry()
        self._connection.search(
            base, wanted, scope, attributes=attributes, size_limit=limit, time_limit=max(1, int(left))
        )
        code: int = self._connection.result["result"]
        answers: list[dict[str, Any]] = self._connection.response or []
        return code, [each for each in answers if each["type"] == "searchResEntry"]  # the rest points elsewhere

    def _hurry(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise unavailable(f"it took more than {MOST_SECONDS:.0f} s")
        self._connection.socket.settimeout(left)
        return left


class _VerifiedTls(ldap3.Tls):
    """TLS as the standard library verifies it, the name in the certificate included; ldap3 does that by itself less
    strictly, and by code that Python no longer has.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - ldap3's own
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=connection.server.host, do_handshake_on_connect=do_handshake
        )


def unavailable(why: str) -> IdentityUnavailable:
    """The error for the caller; the log has the reason."""
    log.error("the directory cannot be used: %s", why)
    return IdentityUnavailable("The directory cannot be used now; try again later.")


def _server(url: str, tls: ldap3.Tls) -> ldap3.Server:
    parts = urlsplit(url)
    is_ssl = parts.scheme == "ldaps"
    return ldap3.Server(
        parts.hostname or "",
        parts.port or (636 if is_ssl else 389),
        use_ssl=is_ssl,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=CONNECT_SECONDS,
    )


def _reason(result: dict[str, Any]) -> str:
    """Why a bind was refused, without what the directory wrote of the user."""
    data = re.search(r"\bdata ([0-9a-f]+)", str(result["message"]))
    return AD_REASONS.get(data[1], f"it refuses ({data[1]})") if data else f"it refuses ({result['description']})"


def _entry(found: dict[str, Any]) -> Entry:
    values = {name.lower(): value for name, value in found["raw_attributes"].items() if value}
    ids = [values[name.lower()][0] for name in IDS if name.lower() in values]
    names = [values[name.lower()][0].decode(errors="replace") for name in NAMES if name.lower() in values]
    dn = found["dn"]
    subject, name = ids[0].hex() if ids else dn.lower(), names[0] if names else dn
    return Entry(dn, subject, name, is_active_directory="objectguid" in values)
