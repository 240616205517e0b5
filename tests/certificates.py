"""Certificates that the tests make for themselves: an authority, and a server on the loopback address."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


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
    """Makes an authority and a certificate for 127.0.0.1 in `directory`."""
    authority_key, server_key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority, server = _name("the tests' authority"), _name("127.0.0.1")
    certificate_of_authority = (
        _builder(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        _builder(server, authority, server_key)
        .add_extension(x509.SubjectAlternativeName([address, x509.DNSName("localhost")]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(directory / "authority.pem", directory / "server.pem", directory / "server-key.pem")
    files.authority.write_bytes(certificate_of_authority.public_bytes(serialization.Encoding.PEM))
    files.server.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
