"""Starts a real PostgreSQL that belongs to the tests alone."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.service import free_port

START_SECONDS = 30.0
NOT_ROOT = "nobody"  # PostgreSQL refuses to run as root


class PrivatePostgres:
    """A server on a free port of 127.0.0.1; a context that stops it and removes its files.

    Its language puts names in another order than their bytes have, as servers outside of containers do.
    """

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        """With a certificate and its key it takes TLS, too."""
        programs = find_programs()
        if programs is None:
            raise RuntimeError("there is no PostgreSQL here: apt-get install postgresql")
        self.directory = Path(tempfile.mkdtemp(prefix="pulpo-postgres-"))
        self.port = free_port()
        self._password = secrets.token_hex(16)
        self._numbers = itertools.count()
        self._as: dict[str, Any] = {}
        password_file = self.directory / "password"
        password_file.write_text(self._password)
        if os.geteuid() == 0:
            self._as = {"user": NOT_ROOT, "group": "nogroup", "extra_groups": []}
            for path in (self.directory, password_file):
                shutil.chown(path, NOT_ROOT, "nogroup")
        data = self.directory / "data"
        language = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        account = ("--username=pulpo", "--auth=scram-sha-256", f"--pwfile={password_file}")
        self._run(str(programs / "initdb"), "--no-sync", "-D", str(data), *language, *account)
        options: dict[str, object] = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        if tls is not None:
            options |= {"ssl": "on"} | self._own(ssl_cert_file=tls[0], ssl_key_file=tls[1])
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.log = (self.directory / "log").open("wb")
        self.process = subprocess.Popen(command, cwd="/", stdout=self.log, stderr=self.log, **self._as)

    def url(self, database: str) -> str:
        return f"postgresql://pulpo:{self._password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """The URL of a new one, empty or as `template` is."""
        name = f"pulpo_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return self
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.directory / "log").read_text()) from None
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once; nothing in it is worth keeping
        self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.directory)

    def _own(self, **files: Path) -> dict[str, object]:
        """Copies of some files that the server alone may read."""
        copies = {name: self.directory / name for name in files}
        for name, copy in copies.items():
            copy.write_bytes(files[name].read_bytes())
            copy.chmod(0o600)
            if self._as:
                shutil.chown(copy, NOT_ROOT, "nogroup")
        return dict(copies)

    def _run(self, *command: str) -> None:
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, **self._as)


def find_programs() -> Path | None:
    """Where PostgreSQL's programs are: Debian keeps them off the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return places[-1] if places else Path(on_path).resolve().parent if on_path else None
