"""OpenID Connect: tokens of any issuer, and a login by password where the issuer takes one."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from app.errors import IdentityUnavailable, Unauthenticated
from app.people import Admitted, OutsideToken, Refusal
from app.providers import issued
from app.providers.https import Https, unavailable
from app.providers.jwks import Jwks

FORM = "application/x-www-form-urlencoded"
FRESH_SECONDS = 3600.0
PAUSE_SECONDS = 10.0
# Errors of a token endpoint that are about the user and not about the client or the issuer.
REFUSALS = {
    "invalid_grant": "it refuses the name or the password",
    "access_denied": "it does not let the user in",
    "mfa_required": "it asks for more than a password",
    "interaction_required": "it asks for more than a password",
}


class Oidc:
    """An issuer that is found by its discovery document."""

    def __init__(
        self,
        https: Https,
        expected: issued.Expected,
        *,
        client_secret: str | None,
        jwks_url: str | None,
        now: Callable[[], float],
    ) -> None:
        self._https = https
        self._expected = expected
        self._client_secret = client_secret
        self._discovery = _Discovery(https, expected.issuer, now=now)
        self._keys = Jwks(lambda: https.get(jwks_url or self._discovery.address("jwks_uri")), now=now)

    @property
    def name(self) -> str:
        """What goes before the names of its users."""
        return self._expected.provider

    @property
    def advice(self) -> str:
        """A sentence for whoever a login refuses."""
        return f"A token of {self._expected.issuer} is taken as Bearer, too."

    def bare(self, username: str) -> str:
        """The name as it is: none has a second spelling that is known here."""
        return username

    def read(self, token: str) -> OutsideToken:
        """What a token of the issuer says. Raises `Unauthenticated`, `IdentityUnavailable`."""
        return issued.read(token, self._keys, self._expected)

    def login(self, username: str, password: str) -> Admitted | Refusal:
        """Asks the issuer for a token by the resource owner's password. Raises `IdentityUnavailable`."""
        if "password" not in self._discovery.grants():
            return Refusal("the issuer takes no passwords")
        client = self._expected.clients[0]
        fields = {"grant_type": "password", "username": username, "password": password}
        headers = {"Content-Type": FORM, "Accept": "application/json"}
        if self._client_secret is None:
            fields["client_id"] = client
        else:
            pair = f"{quote(client, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        address = self._discovery.address("token_endpoint")
        reply = self._https.post(address, urlencode(fields).encode(), headers)
        if reply.status == 200:
            return self._admit(reply.content.get("access_token"), address)
        error = str(reply.content.get("error"))
        if error in REFUSALS:
            return Refusal(REFUSALS[error])
        raise unavailable(address, f"it answered {reply.status} {error[:100]}")

    def _admit(self, token: object, address: str) -> Admitted:
        if not isinstance(token, str):
            raise unavailable(address, "it answered no access token")
        try:
            return Admitted(self.read(token).who, token)
        except Unauthenticated as error:
            raise unavailable(address, f"its own token cannot be used: {error.detail}") from error


class _Discovery:
    """The discovery document, fetched when it is needed and kept for an hour."""

    def __init__(self, https: Https, issuer: str, *, now: Callable[[], float]) -> None:
        self._https = https
        self._issuer = issuer
        self._now = now
        self._lock = threading.Lock()
        self._document: dict[str, Any] | None = None
        self._next_fetch = 0.0

    def address(self, name: str) -> str:
        """An address that the document names. Raises `IdentityUnavailable`."""
        address = self._get().get(name)
        if not isinstance(address, str):
            raise unavailable(self._issuer, f"its discovery document names no {name}")
        return address

    def grants(self) -> list[Any]:
        """How the issuer gives tokens. Raises `IdentityUnavailable`."""
        named = self._get().get("grant_types_supported")
        return named if isinstance(named, list) else []

    def _get(self) -> dict[str, Any]:
        with self._lock:
            if self._now() >= self._next_fetch:
                self._next_fetch = self._now() + PAUSE_SECONDS
                self._document = self._fetch()
                self._next_fetch = self._now() + FRESH_SECONDS
            if self._document is None:
                raise IdentityUnavailable("The identity provider cannot be used now; try again later.")
            return self._document

    def _fetch(self) -> dict[str, Any]:
        document = self._https.get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer:
            raise unavailable(self._issuer, "its discovery document names another issuer")
        return document
