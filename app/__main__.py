"""The one launcher, `python -m app`: prepares what must be there once, then becomes the server."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from app import make_provider, make_tokens
from app.errors import PulpoError, StoreFull, StoreUnavailable
from app.people import Actor
from app.services.accounts import Accounts, generated_password
from app.services.passwords import Passwords
from app.settings import SECRET_FILE_NAME, Settings, unknown_settings
from app.storage.embedded import EmbeddedRedisFailed, start_embedded
from app.storage.login_limits import RedisLoginLimits
from app.storage.redis_client import connect
from app.storage.redis_probe import RedisHealthProbe
from app.storage.sql.audit import SqlAudit
from app.storage.sql.engine import make_engine
from app.storage.sql.migrate import migrate
from app.storage.sql.users import SqlUserStore

log = logging.getLogger("pulpo")

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
SERVERS = {
    "gunicorn": ("-m", "gunicorn", "-c", str(DEPLOY / "gunicorn.conf.py"), "wsgi:app"),
    "granian": (str(DEPLOY / "with_granian.py"),),
}
# From this size on the C library gives back to the system what is freed; by itself it raises the limit to 32 MiB, and
# keeps for good what some large answers took (docs/decisions/0020-patient-worker.md).
LARGE_BYTES = "262144"
ADMIN_PASSWORD_FILE = "admin-password"  # noqa: S105 - a file's name


GREETING = r"""
Pulpo listens on {address}   (Ctrl-C stops it; its data stays in {data_dir})

  username  {username}
  password  {shown}

Try, in another terminal:

  TOKEN=$(curl -s {address}/login -d username={username} --data-urlencode 'password={password}' |
    sed 's/.*"access_token":"\([^"]*\).*/\1/')
  curl -H "Authorization: Bearer $TOKEN" {address}/push --json '{{"message": {{"order": 42}}}}'
  curl -H "Authorization: Bearer $TOKEN" -X POST {address}/pop
  curl -H "Authorization: Bearer $TOKEN" {address}/count
"""


class CannotStart(Exception):
    """The message is what the operator reads instead of a traceback."""


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.umask(0o077)  # what is made here is for the service's own user
    # As PID 1 of a container it would ignore the signal: the kernel delivers to PID 1 only what it handles.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = prepare()
    except (CannotStart, EmbeddedRedisFailed, PulpoError) as error:
        sys.exit(f"pulpo: {error}")
    become_server(settings)


def prepare() -> Settings:
    """Makes what is missing of data directory, secret, Redis, user table and first admin. Raises what `main` shows."""
    for name in unknown_settings(os.environ):
        log.warning("%s is not a setting of Pulpo; docs/operations.md lists them", name)
    data_dir = make_data_dir(Path(os.environ.get("PULPO_DATA_DIR") or "data"))
    if not os.environ.get("PULPO_SECRET") and not os.environ.get("PULPO_SECRET_FILE"):
        make_secret(data_dir)
    settings = Settings.from_env()
    make_tokens(settings)  # so that a faulty one is told now, in one line
    make_provider(settings)
    logging.getLogger().setLevel(settings.log_level.upper())
    check_address(settings.bind)
    if settings.embeds_redis:
        start_embedded(settings.redis_socket, directory=settings.data_dir.absolute() / "redis", fsync=settings.fsync)
    else:
        warn_of_unreachable_redis(settings)
    engine = make_engine(settings.database_address.reveal())
    migrate(engine, lock_file=settings.data_dir / "migrate.lock")
    password = make_first_admin(
        settings,
        Accounts(
            SqlUserStore(engine),
            Passwords(),
            SqlAudit(engine, days=settings.audit_days),
            RedisLoginLimits(connect(settings.redis_address.reveal()), prefix=settings.redis_prefix),
        ),
    )
    engine.dispose()
    if sys.stdout.isatty():
        greet(settings, password)
    return settings


def become_server(settings: Settings) -> None:
    """Replaces this process by the server, so that signals reach it directly."""
    os.environ.pop("PULPO_ADMIN_PASSWORD", None)  # of no use to the server, so it does not get it
    os.environ.setdefault("PULPO_LOG_LEVEL", "warning" if sys.stdout.isatty() else settings.log_level)
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", LARGE_BYTES)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.execv(  # noqa: S606 - there is no shell to start it with  # nosec B606
        sys.executable, [sys.executable, *SERVERS[settings.server]]
    )


def make_data_dir(data_dir: Path) -> Path:
    """Makes the directory, for its owner only, and makes sure that it can be written. Raises `CannotStart`."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            return data_dir
    except OSError as error:
        raise CannotStart(
            f"{data_dir} cannot be used ({error.strerror}); set PULPO_DATA_DIR to a directory."
        ) from error


def make_secret(data_dir: Path) -> None:
    """Keeps a new secret in `data_dir`, readable by its owner only, unless one is there."""
    with suppress(FileExistsError):
        write_private(data_dir / SECRET_FILE_NAME, secrets.token_hex(32))


def make_first_admin(settings: Settings, accounts: Accounts) -> str | None:
    """Makes the admin if there is no user; returns a password that was made up and is kept nowhere."""
    if not accounts.is_empty():
        return None
    given = settings.admin_password
    password = given.reveal() if given else generated_password()
    if not accounts.add_first_admin(settings.admin_username, password, by=Actor("launcher")) or given:
        return None
    if sys.stdout.isatty():
        return password
    path = settings.data_dir.absolute() / ADMIN_PASSWORD_FILE
    path.unlink(missing_ok=True)
    write_private(path, password)
    log.info("made the admin %s; the password is in %s", settings.admin_username, path)
    return None


def warn_of_unreachable_redis(settings: Settings) -> None:
    """Says at once what `/health` says from then on; Redis may come later, so it is no reason not to start."""
    try:
        servers = connect(settings.redis_address.reveal())
        of_a_part = RedisHealthProbe(servers, prefix=settings.redis_prefix, replicas=0).write()
    except (StoreFull, StoreUnavailable) as error:
        log.warning("the Redis of PULPO_REDIS_URL: %s Until it does, pushes and pops are answered 503.", error)
    else:
        if of_a_part is not None:
            log.warning("the Redis of PULPO_REDIS_URL: %s", of_a_part)


def check_address(bind: str) -> None:
    """Raises `CannotStart` if the address is taken: better one line now than gunicorn's retries."""
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise CannotStart(
                f"{bind} cannot be used ({error.strerror}); set PULPO_BIND to another address."
            ) from error


def write_private(path: Path, text: str) -> None:
    """Writes a new file of mode 600; raises `FileExistsError` if it is there."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def greet(settings: Settings, password: str | None) -> None:
    """Shows a person at a terminal where Pulpo is, how to get in, and what to try."""
    to_change = f".venv/bin/flask --app wsgi users passwd {settings.admin_username}"
    print(
        GREETING.format(
            address=f"http://{settings.bind}",
            data_dir=settings.data_dir,
            username=settings.admin_username,
            shown=password or f"as it was set; {to_change} changes it",
            password=password or "YOUR_PASSWORD",
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
