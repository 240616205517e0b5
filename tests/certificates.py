"""Certificates that the tests make for themselves."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW_KEY = ("-newkey", "rsa:2048", "-nodes")


class Authority:
    """`file` is what trusts it; `issue` makes a certificate for the names and addresses of a server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.file = directory / "ca.pem"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        subject = ("-subj", "/CN=An authority of the tests", "-days", "2")
        _openssl(
            "req", "-x509", *NEW_KEY, *subject, *usage, "-keyout", str(directory / "ca.key"), "-out", str(self.file)
        )

    def issue(self, *names: str) -> tuple[Path, Path]:
        """Certificate and key, for names such as `DNS:localhost`."""
        stem = self._directory / names[0].replace(":", "-")
        request, key, certificate = (stem.with_suffix(suffix) for suffix in (".csr", ".key", ".pem"))
        extensions = stem.with_suffix(".cnf")
        extensions.write_text(f"subjectAltName={','.join(names)}\nauthorityKeyIdentifier=keyid\n")
        _openssl("req", *NEW_KEY, "-subj", "/CN=a server", "-keyout", str(key), "-out", str(request))
        signing = ("-CA", str(self.file), "-CAkey", str(self._directory / "ca.key"), "-CAcreateserial", "-days", "2")
        _openssl("x509", "-req", "-in", str(request), *signing, "-extfile", str(extensions), "-out", str(certificate))
        key.chmod(0o600)
        return certificate, key


@dataclass(frozen=True)
class Certificates:
    """The files: the authority's certificate, the server's and its key."""

    authority: Path
    server: Path
    key: Path

    @property
    def configuration(self) -> list[str]:
        """The lines that make a Redis speak TLS with everybody, its replicas and the other nodes among them."""
        return [
            f"tls-ca-cert-file {self.authority}",
            f"tls-cert-file {self.server}",
            f"tls-key-file {self.key}",
            "tls-auth-clients no",
            "tls-replication yes",
            "tls-cluster yes",
        ]


def make_certificates(directory: Path) -> Certificates:
    """Makes an authority and a certificate for the loopback address in `directory`."""
    authority = Authority(directory)
    return Certificates(authority.file, *authority.issue("IP:127.0.0.1", "DNS:localhost"))


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
