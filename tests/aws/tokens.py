"""What Cognito gives a machine for its credentials, signed by the key of moto's pools; moto itself has no such call.

`python -m tests.aws.tokens USER_DATA [another-key|another-pool]` writes one to standard output: a good one, one that
says the same under a key that nobody knows, or one of the same key that another pool gave out.
"""

from __future__ import annotations

import gzip
import os
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.service import ROOT

KEYS = "lib/python*/site-packages/moto/cognitoidp/resources/jwks-private.json.gz"
KEY_ID = "dummy"  # of each key of moto
ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/"
ANOTHER_POOL = f"{ISSUER}eu-west-1_AnotherPool"


def settings_in(user_data: Path) -> dict[str, str]:
    """What user data writes into Pulpo's environment."""
    content = user_data.read_text(encoding="utf-8").removeprefix("#cloud-config\n")
    files = {file["path"]: file["content"] for file in msgspec.json.decode(content)["write_files"]}
    return dict(line.split("=", 1) for line in files["/etc/pulpo/pulpo.env"].splitlines())


def machine_token(settings: dict[str, str], *, key: RSAPrivateKey | None = None, **changed: Any) -> str:
    """A token of the machine's client that may push and pop, but for what is `changed`; by another `key`, if any."""
    pool = settings["PULPO_COGNITO_POOL"]
    _, client = settings["PULPO_IDENTITY_CLIENTS"].split(",")
    claims = {
        "iss": f"{ISSUER}{pool}",
        "sub": client,
        "client_id": client,
        "token_use": "access",
        "scope": "pulpo/push pulpo/pop",
        "exp": int(time.time()) + 3600,
        "iat": int(time.time()),
        "jti": os.urandom(8).hex(),
    }
    return jwt.encode(claims | changed, key or _key_of_the_pool(), "RS256", {"kid": KEY_ID})


def another_key() -> RSAPrivateKey:
    """One that is in no key set, whatever a token of it says."""
    return generate_private_key(65537, 2048)


def _key_of_the_pool() -> Any:
    (file,) = (ROOT / ".venv-identity").glob(KEYS)
    return jwt.PyJWK(msgspec.json.decode(gzip.decompress(file.read_bytes())), "RS256").key


if __name__ == "__main__":
    given = settings_in(Path(sys.argv[1]))
    match sys.argv[2:]:
        case []:
            print(machine_token(given))
        case ["another-key"]:
            print(machine_token(given, key=another_key()))
        case ["another-pool"]:
            print(machine_token(given, iss=ANOTHER_POOL))
        case _:
            sys.exit(__doc__)
