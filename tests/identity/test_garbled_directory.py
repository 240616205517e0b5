"""A directory with a good certificate that answers nonsense: 503, soon, and nobody is let in."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from app.errors import IdentityUnavailable
from app.people import Admitted
from app.providers.ldap import Finding, Ldap
from tests.certificates import Authority

FINDING = Finding(base="dc=a", domain=None, bind_dn="cn=reader", bind_password="secret", user_filter=None)
BIND_OK = bytes.fromhex("300c02010161070a010004000400")
ANSWERS = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an endless length": bytes.fromhex("3084ffffffff"),
    "no length": bytes.fromhex("3080"),
    "nothing inside": bytes.fromhex("3000"),
    "an answer to nobody": bytes.fromhex("300c02017f61070a010004000400"),
    "no numbers": bytes.fromhex("300c04010161070a010004000400"),
    "a code that is none": bytes.fromhex("300c02010161070aff0004000400"),
    "a farewell": bytes.fromhex("302402010078")
    + b"\x1f\x0a\x01\x34\x04\x00\x04\x00\x8a\x16"
    + b"1.3.6.1.4.1.1466.20036",
    "yes to all": BIND_OK * 20,
    "a hangup": b"",
    "noise": bytes(range(256)) * 40,
}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    authority = Authority(tmp_path_factory.mktemp("garbled"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("DNS:localhost"))
    return context, authority.file


@pytest.fixture(params=list(ANSWERS.values()), ids=list(ANSWERS))
def provider(request: pytest.FixtureRequest, context: tuple[ssl.SSLContext, Path]) -> Iterator[Ldap]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with suppress(OSError), context[0].wrap_socket(client, server_side=True) as line:
                        while line.recv(4096) and request.param:
                            line.sendall(request.param)

        Thread(target=serve, daemon=True).start()
        url = f"ldaps://localhost:{listener.getsockname()[1]}"
        yield Ldap([url], FINDING, ["cn=group,dc=a"], ca_file=str(context[1]))
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nonsense_lets_nobody_in(provider: Ldap) -> None:
    began = time.monotonic()
    with suppress(IdentityUnavailable):
        assert not isinstance(provider.login("ada", "a password"), Admitted)
    assert time.monotonic() - began < 8
