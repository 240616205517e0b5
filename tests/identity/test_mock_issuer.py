"""oauth2-mock-server, an issuer that is not ours: client credentials, passwords, rotation of its keys."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import httpx
import jwt
import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.providers import jwks
from app.settings import Settings
from tests.api.answers import problem
from tests.service import ROOT, free_port, wait_until

# Its programmatic form: the command line neither names an audience nor changes keys.
SCRIPT = """
const { OAuth2Server } = require("oauth2-mock-server");
(async () => {
  const server = new OAuth2Server();
  await server.issuer.keys.generate("RS256");
  server.service.on("beforeTokenSigning", ({ payload }, { body }) => {
    Object.assign(payload, { sub: payload.sub ?? "robot", aud: "https://pulpo.example" });
    if (body.grant_type === "password") payload.groups = ["staff"];
  });
  process.on("SIGUSR2", () => server.issuer.keys.generate("ES256"));
  await server.start(Number(process.argv[1]), "127.0.0.1");
})();
"""


class MockServer:
    """An issuer that signs with each of its keys in turn."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    def kinds_of_keys(self) -> set[str]:
        return {key["kty"] for key in httpx.get(f"{self.url}/jwks").json()["keys"]}

    def add_key(self) -> None:
        """Makes a second key, of another kind."""
        self._process.send_signal(signal.SIGUSR2)
        wait_until(lambda: self.kinds_of_keys() == {"RSA", "EC"})


@pytest.fixture
def issuer() -> Iterator[MockServer]:
    port = free_port()
    command = ["node", "-e", SCRIPT, str(port)]
    with subprocess.Popen(command, cwd=ROOT / ".identity") as process:
        try:
            url = f"http://localhost:{port}"
            wait_until(lambda: httpx.get(f"{url}/.well-known/openid-configuration").status_code == 200)
            yield MockServer(process, httpx.get(f"{url}/.well-known/openid-configuration").json()["issuer"])
        finally:
            process.terminate()


@pytest.fixture
def settings(settings: Settings, issuer: MockServer) -> Settings:
    return replace(
        settings,
        identity="oidc",
        oidc_issuer=issuer.url,
        identity_audience="https://pulpo.example",
        identity_clients="pulpo",
        identity_scopes='{"orders": ["push:orders", "pop:orders"]}',
        identity_groups='{"staff": ["viewer"]}',
    )


def machine_token(issuer: MockServer) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "scope": "orders"}
    answer = httpx.post(f"{issuer.url}/token", data=form, auth=("robot", "its secret")).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_machine_pushes_and_pops_by_its_client_credentials(client: FlaskClient, issuer: MockServer) -> None:
    headers = machine_token(issuer)
    assert client.post("/queues/orders/push", json={"message": 1}, headers=headers).status_code == 201
    assert client.post("/queues/orders/pop", headers=headers).get_json()["message"] == 1
    problem(client.post("/push", json={"message": 1}, headers=headers), 403, "forbidden")
    assert client.get("/me", headers=headers).get_json()["username"] == "oidc:robot"


def test_a_login_by_password_gets_the_issuers_token(client: FlaskClient) -> None:
    token = client.post("/login", json={"username": "ada", "password": "any"}).get_json()["access_token"]
    me = client.get("/me", headers={"Authorization": f"Bearer {token}"}).get_json()
    assert (me["username"], me["roles"]) == ("oidc:ada", ["viewer"])


def test_a_new_key_of_another_kind_is_taken_up(
    client: FlaskClient, issuer: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "PAUSE_SECONDS", 0)
    assert client.get("/me", headers=machine_token(issuer)).status_code == 200
    issuer.add_key()
    tokens = [machine_token(issuer) for _ in range(4)]
    algorithms = {jwt.get_unverified_header(headers["Authorization"].split()[1])["alg"] for headers in tokens}
    assert algorithms == {"RS256", "ES256"}
    assert [client.get("/me", headers=headers).status_code for headers in tokens] == [200] * 4
