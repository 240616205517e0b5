"""A certificate authority of the tests' own."""

from __future__ import annotations

import subprocess
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


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
