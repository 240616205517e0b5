"""An issuer of tokens on this machine, which a test can make do what a real one does on a bad day."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Literal
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CLIENT, SECRET, AUDIENCE = "pulpo", "the client's own/secret", "https://pulpo.example"
USERS = {"ada": "the passphrase of ada", "admin": "another admin's passphrase"}


class Key:
    """A key that signs; `jwk` is what the issuer shows of it."""

    def __init__(self, key_id: str, algorithm: Literal["EdDSA", "ES256"] = "EdDSA") -> None:
        self.id, self.algorithm = key_id, algorithm
        self.private: Ed25519PrivateKey | EllipticCurvePrivateKey
        if algorithm == "EdDSA":
            self.private = Ed25519PrivateKey.generate()
            public = jwt.algorithms.OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = generate_private_key(SECP256R1())
            public = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.jwk = public | {"kid": key_id, "alg": algorithm, "use": "sig"}


class Issuer(ThreadingHTTPServer):
    """Discovery, keys, and tokens for a password. `asked` counts by path; `answers` are given instead of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.keys = [Key("first")]
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, tuple[int, Any, dict[str, str]]] = {}
        self.silent: set[str] = set()
        self.over = Event()
        self.discovery: dict[str, Any] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint": f"{self.url}/token",
            "grant_types_supported": ["client_credentials", "password"],
        }

    def token(self, key: Key | None = None, **changed: Any) -> str:
        """An access token that is good, but for what is `changed`; None leaves a claim out."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": "0-ada", "aud": AUDIENCE, "iat": now, "exp": now + 300, "groups": ["staff"]}
        content = {name: value for name, value in (claims | changed).items() if value is not None}
        key = key or self.keys[-1]
        return jwt.encode(content, key.private, key.algorithm, headers={"kid": key.id})


class _Visit(BaseHTTPRequestHandler):
    server: Issuer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({
            "/.well-known/openid-configuration": self.server.discovery,
            "/keys": {"keys": [key.jwk for key in self.server.keys]},
            "/moved": {"keys": [key.jwk for key in self.server.keys], "access_token": self.server.token()},
        }.get(self.path))  # fmt: skip

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        pair = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if pair != "pulpo:the%20client%27s%20own%2Fsecret":
            self._answer({"error": "invalid_client"}, 401)
        elif USERS.get(asked["username"]) != asked["password"] or asked["grant_type"] != "password":
            self._answer({"error": "invalid_grant"}, 400)
        else:
            self._answer({"access_token": self.server.token(sub=f"0-{asked['username']}"), "token_type": "Bearer"})

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing."""

    def _answer(self, content: Any, status: int = 200) -> None:
        server = self.server
        server.asked[self.path] += 1
        if self.path in server.silent:
            server.over.wait(20)
            self.close_connection = True
            return
        status, content, headers = server.answers.get(self.path, (status if content else 404, content or {}, {}))
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def issuing() -> Iterator[Issuer]:
    with Issuer() as issuer:
        Thread(target=issuer.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield issuer
        issuer.over.set()
        issuer.shutdown()
