"""The commands of docs/operations.md, with a directory, a Redis and a port of the tests' own."""

from __future__ import annotations

import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import HEAD, bash, blocks, needs_curl
from tests.redis_server import ACL_RULES, UNKNOWN_BEFORE_7_2, PrivateRedis
from tests.service import ROOT, Service, free_port

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = blocks(PAGE)
# What tells which block is about what.
KEY_FILES, PREPARE, REDIS_USER, BACKUP = "token.pem", "prepare()", "ACL SETUSER", "backup"
# In the place of `make run`: starts Pulpo, shows what it tells of itself, and stops it.
MAKE_RUN = """
make_run() {
  (cd "$ROOT" && exec "$PYTHON" -m app) & pulpo=$!
  until curl -s "http://$PULPO_BIND/health"; do kill -0 $pulpo; sleep 0.1; done
  curl -s "http://$PULPO_BIND/.well-known/jwks.json"
  kill $pulpo && wait $pulpo
}
"""
REDIS_CLI = """#!{python}
import sys
from redis import Redis
print(Redis.from_url("{url}").execute_command(*sys.argv[1:]))
"""

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")


@pytest.fixture
def directory() -> Iterator[Path]:
    """One with a path so short that the embedded Redis' socket lies in its data directory."""
    with tempfile.TemporaryDirectory(prefix="pulpo-") as directory:
        yield Path(directory)


def run(topic: str, directory: Path, **instead: str) -> str:
    """Runs the blocks of a topic in `directory`, with some words replaced; what they wrote."""
    script = "\n".join(block for block in BLOCKS if topic in block)
    for old, new in {"make run": "make_run", ".venv/bin/python": sys.executable, **instead}.items():
        script = script.replace(old, new)
    environ = {"ROOT": str(ROOT), "PYTHON": sys.executable, "PULPO_DATA_DIR": str(directory / "data")}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "PULPO_BIND": f"127.0.0.1:{free_port()}",
        "PATH": f"{directory}:/usr/local/bin:/usr/bin:/bin",
    }
    answer = bash(HEAD + MAKE_RUN + script, directory, **environ)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    return answer.stdout


def test_every_block_of_the_page_is_run_here() -> None:
    topics = [[topic for topic in (KEY_FILES, PREPARE, REDIS_USER, BACKUP) if topic in block] for block in BLOCKS]
    assert topics == [[KEY_FILES], [PREPARE], [REDIS_USER], [BACKUP], [BACKUP]]


@needs_curl
@needs_openssl
def test_tokens_are_signed_with_the_key_that_the_page_makes(directory: Path) -> None:
    told = run(KEY_FILES, directory, **{"token.pem": str(directory / "token.pem")})
    assert '"crv":"Ed25519"' in told


@needs_curl
def test_pulpo_is_healthy_as_the_redis_user_that_the_page_makes(directory: Path) -> None:
    with PrivateRedis() as redis:
        rules = ACL_RULES.read_text("ascii").split()
        if not redis.knows_waitaof:
            rules = [rule for rule in rules if rule not in UNKNOWN_BEFORE_7_2]
        (directory / "rules").write_text("\n".join(rules))
        client = directory / "redis-cli"
        client.write_text(REDIS_CLI.format(python=sys.executable, url=redis.url))
        client.chmod(stat.S_IRWXU)
        address = f"unix://pulpo:the%20password@{redis.socket}"
        instead = {"redis://pulpo:the%20password@redis.example:6379/0": address, "deploy/redis/acl-rules": "rules"}
        told = run(REDIS_USER, directory, **instead)
        assert '"status":"pass"' in told
        assert redis.denied() == []


def test_pulpo_starts_on_the_backup_that_the_page_makes(directory: Path) -> None:
    service = Service(directory)
    restored = Service(directory / "restored")
    try:
        service.start()
        service.call("/push", {"message": "kept"})
        assert run(BACKUP, directory) == "quiet\nquiet\n"
        service.call("/pop")
        restored.directory.mkdir()
        (directory / "backup").rename(restored.data_dir)
        (restored.data_dir / "admin-password").write_text((service.data_dir / "admin-password").read_text())
        restored.start()
        assert restored.call("/pop")["message"] == "kept"
    finally:
        service.kill()
        restored.kill()


def test_the_first_half_of_the_launcher_makes_secret_user_table_and_admin(directory: Path) -> None:
    with PrivateRedis() as redis:
        run(PREPARE, directory, **{"from app": f'import os; os.environ["PULPO_REDIS_URL"] = "{redis.url}"; from app'})
    assert {path.name for path in (directory / "data").iterdir()} >= {"secret", "pulpo.db", "admin-password"}


def test_the_secret_that_the_page_makes_is_long_enough() -> None:
    (command,) = re.findall(r"`(python3 -c '[^`]+')`", PAGE)
    answer = bash(command, ROOT)
    assert re.fullmatch(r"[0-9a-f]{64}\n", answer.stdout)
