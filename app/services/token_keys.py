"""The keys that sign and verify tokens, each bound to one algorithm, so that none can be taken for another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

LEAST_RSA_BITS = 2048

Algorithm = Literal["HS256", "EdDSA", "RS256"]
PublicKey = Ed25519PublicKey | RSAPublicKey


class TokenKey(msgspec.Struct, frozen=True):
    """One key. `signs` None: it only verifies. `verifies` of HS256 is the secret itself."""

    id: str
    algorithm: Algorithm
    verifies: str | PublicKey
    signs: str | Ed25519PrivateKey | RSAPrivateKey | None

    def __repr__(self) -> str:
        return f"TokenKey({self.id}, {self.algorithm})"

    def jwk(self) -> dict[str, Any] | None:
        """The public key as RFC 7517 has it; None of a secret, which has no public side."""
        match self.verifies:
            case Ed25519PublicKey():
                public = jwt.algorithms.OKPAlgorithm.to_jwk(self.verifies, as_dict=True)
            case RSAPublicKey():
                public = jwt.algorithms.RSAAlgorithm.to_jwk(self.verifies, as_dict=True)
            case _:
                return None
        return public | {"kid": self.id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}


def of_secret(secret: str) -> TokenKey:
    """A key of HS256."""
    return TokenKey(_id(b"pulpo key id:" + secret.encode()), "HS256", secret, secret)


def of_pem(pem: bytes) -> TokenKey:
    """A key of EdDSA or RS256: a private key signs, a public one only verifies. Raises `ValueError`, saying why."""
    private = None
    if b"PRIVATE KEY" in pem:
        private = serialization.load_pem_private_key(pem, password=None)
        public: object = private.public_key()
    else:
        public = serialization.load_pem_public_key(pem)
    match public:
        case Ed25519PublicKey():
            algorithm: Algorithm = "EdDSA"
        case RSAPublicKey() if public.key_size >= LEAST_RSA_BITS:
            algorithm = "RS256"
        case _:
            raise ValueError(f"it is neither Ed25519 nor RSA of {LEAST_RSA_BITS} bits or more")
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    signs = private if isinstance(private, Ed25519PrivateKey | RSAPrivateKey) else None
    return TokenKey(_id(der), algorithm, public, signs)


def all_of(secrets: Sequence[str], pems: Sequence[tuple[str, bytes]]) -> list[TokenKey]:
    """The keys of PEM files (path, content), then those of secrets. Raises `ValueError`."""
    keys = []
    for path, pem in pems:
        try:
            keys.append(of_pem(pem))
        except (ValueError, TypeError) as error:  # TypeError: it is encrypted
            raise ValueError(f"{path} holds no key that signs tokens: {error}") from error
    return keys + [of_secret(secret) for secret in secrets]


def _id(material: bytes) -> str:
    return hashlib.sha256(material).hexdigest()[:16]
