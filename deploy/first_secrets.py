"""Makes the passwords that compose's services share, once; each service is given the files that it needs.

Usage: python deploy/first_secrets.py redis DIRECTORY     (redis.conf, redis-password, redis-url, redis-sentinel-url)
       python deploy/first_secrets.py grafana DIRECTORY   (grafana-password)
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

REDIS_HOST = "redis"
SENTINELS = "sentinel-1:26379,sentinel-2:26380,sentinel-3:26381"  # compose.sentinel.yml
MODE = 0o440  # the services have users of their own, and this group in common


def make_secrets(of: str, directory: Path) -> None:
    """Writes what is missing into `directory`; a password that is there stays."""
    kept = directory / f"{of}-password"
    if not kept.exists():
        _write(kept, secrets.token_hex(32))
    if of == "redis":
        # From the password that is kept, so that a start that was cut short is mended by the next.
        password = kept.read_text(encoding="ascii")
        # A primary that comes back as a replica needs it, too.
        _write(directory / "redis.conf", f"requirepass {password}\nmasterauth {password}\n")
        _write(directory / "redis-url", f"redis://:{password}@{REDIS_HOST}:6379/0")
        _write(directory / "redis-sentinel-url", f"redis+sentinel://:{password}@{SENTINELS}/pulpo/0")


def _write(path: Path, content: str) -> None:
    """All at once: whoever sees the file sees all of it."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE), "w", encoding="ascii") as file:
        file.write(content)
    new.chmod(MODE)  # whatever the umask
    new.replace(path)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in {"redis", "grafana"}:
        sys.exit(__doc__)
    make_secrets(sys.argv[1], Path(sys.argv[2]))
