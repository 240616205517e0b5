"""Amazon Cognito: its access tokens, and a login by password against the pool."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from app.errors import Unauthenticated
from app.people import Admitted, OutsideToken, Refusal
from app.providers import issued
from app.providers.https import Https, Reply, unavailable
from app.providers.jwks import Jwks

AMZ_JSON = "application/x-amz-json-1.1"
# Answers of InitiateAuth that are about the user and not about the pool, the client or the traffic.
REFUSALS = {
    "NotAuthorizedException": "it refuses the name or the password, or the user is disabled",
    "UserNotFoundException": "there is no such user",
    "UserNotConfirmedException": "the user is not confirmed",
    "PasswordResetRequiredException": "the user has to reset the password",
    "UserLambdaValidationException": "a check of the pool's own refuses the user",
}


class Cognito:
    """A user pool. Its users log in with USER_PASSWORD_AUTH, which their app client has to allow."""

    def __init__(
        self,
        https: Https,
        pool: str,
        *,
        audience: str | None,
        clients: Sequence[str],
        client_secret: str | None,
        url: str | None,
        jwks_url: str | None,
        now: Callable[[], float],
    ) -> None:
        self._https = https
        home = address_of_pools(pool)
        self._url = url or f"{home}/"
        self._client, self._client_secret = clients[0], client_secret
        self._expected = issued.Expected(
            provider="cognito",
            issuer=f"{home}/{pool}",
            audience=audience,
            clients=clients,
            name_claims=("username", "client_id"),
            groups_claim="cognito:groups",
            must_say_use=True,
        )
        keys_url = jwks_url or f"{home}/{pool}/.well-known/jwks.json"
        self._keys = Jwks(lambda: https.get(keys_url), now=now)

    @property
    def name(self) -> str:
        """What goes before the names of its users."""
        return self._expected.provider

    @property
    def advice(self) -> str:
        """Nothing: the pool takes passwords."""
        return ""

    def bare(self, username: str) -> str:
        """The name as it is: none has a second spelling that is known here."""
        return username

    def read(self, token: str) -> OutsideToken:
        """What an access token of the pool says. Raises `Unauthenticated`, `IdentityUnavailable`."""
        return issued.read(token, self._keys, self._expected)

    def login(self, username: str, password: str) -> Admitted | Refusal:
        """Asks the pool for an access token. Raises `IdentityUnavailable`."""
        parameters = {"USERNAME": username, "PASSWORD": password}
        if self._client_secret is not None:
            parameters["SECRET_HASH"] = secret_hash(self._client_secret, username, self._client)
        asked = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": self._client, "AuthParameters": parameters}
        headers = {
            "Content-Type": AMZ_JSON,
            "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
        }
        reply = self._https.post(self._url, msgspec.json.encode(asked), headers)
        return self._admit(reply.content) if reply.status == 200 else self._refuse(reply)

    def _admit(self, content: dict[str, Any]) -> Admitted | Refusal:
        if "ChallengeName" in content:
            return Refusal(f"it asks for {str(content['ChallengeName'])[:40]}, which Pulpo cannot answer")
        result = content.get("AuthenticationResult")
        token = result.get("AccessToken") if isinstance(result, dict) else None
        if not isinstance(token, str):
            raise unavailable(self._url, "it answered no access token")
        try:
            return Admitted(self.read(token).who, token)
        except Unauthenticated as error:
            raise unavailable(self._url, f"its own token cannot be used: {error.detail}") from error

    def _refuse(self, reply: Reply) -> Refusal:
        kind = str(reply.content.get("__type", "")).rpartition("#")[2]
        if kind in REFUSALS:
            return Refusal(REFUSALS[kind])
        why = str(reply.content.get("message"))[:200]
        raise unavailable(self._url, f"it answered {reply.status} {kind[:100]}: {why}")


def address_of_pools(pool: str) -> str:
    """Where the pools of a pool's region are; its id begins with the region."""
    region = pool.partition("_")[0]
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://cognito-idp.{region}.{domain}"


def secret_hash(client_secret: str, username: str, client: str) -> str:
    """What proves that a login comes from a client that has a secret."""
    digest = hmac.new(client_secret.encode(), f"{username}{client}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
