"""A Pulpo behind a real nginx, with the files that are shipped; only ports and paths are the tests' own."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.service import ROOT, Service, free_port, wait_until

NGINX = ROOT / "deploy" / "nginx"
NAME = "localhost"
MOST_BYTES = 1_048_576
# So that a test can come from any address that it likes; and what an operator may write who takes Pulpo out of service.
OF_THE_TESTS = "set_real_ip_from 127.0.0.1; set_real_ip_from ::1; real_ip_header X-Test-Address;"
OUT_OF_SERVICE = "location = /out-of-service { return 503; } location / {"


class Proxy:
    """nginx as `deploy/nginx` has it, before the nodes of `upstream`."""

    def __init__(self, directory: Path, *upstream: str, behind: str = "") -> None:
        self.directory = directory
        self.http_port, self.https_port = free_port(), free_port()
        self.url = f"https://{NAME}:{self.https_port}"
        self.certificate = directory / "certificate.pem"
        subprocess.run([sys.executable, ROOT / "deploy" / "self_signed.py", directory, NAME, "127.0.0.1"], check=True)
        site = self._rendered(" ".join(upstream), behind)
        (directory / "pulpo.conf").write_text(
            ("" if behind else OF_THE_TESTS) + OUT_OF_SERVICE.join(site.rsplit("location / {", 1))
        )
        main = (NGINX / "nginx.conf").read_text(encoding="utf-8").replace("/tmp/", f"{directory}/")
        # As root it would change to a user that cannot read the tests' directory.
        (directory / "nginx.conf").write_text(f"user root;\n{main}" if os.getuid() == 0 else main)
        self._log = (directory / "errors").open("wb")
        self.process = subprocess.Popen(
            ["nginx", "-p", directory, "-c", "nginx.conf"], stdout=self._log, stderr=self._log
        )
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{self.http_port}/").status_code == 421)

    def _rendered(self, upstream: str, behind: str) -> str:
        values = {
            "SERVER_NAME": NAME,
            "PUBLIC_NAME": f"{NAME}:{self.https_port}",
            "TLS_CERTIFICATE": str(self.certificate),
            "TLS_KEY": str(self.directory / "key.pem"),
            "UPSTREAM": upstream,
            "PULPO_MAX_REQUEST_BYTES": str(MOST_BYTES),
            "HTTP_PORT": str(self.http_port),
            "HTTPS_PORT": str(self.https_port),
            "ACCESS_LOG": str(self.directory / "access.log"),
            "BEHIND": behind,
        }
        return subprocess.run(
            [NGINX / "render"], env=os.environ | values, check=True, capture_output=True, text=True
        ).stdout

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._log.close()


@contextmanager
def proxied(directory: Path, *upstream: str, behind: str = "") -> Iterator[Proxy]:
    proxy = Proxy(directory, *upstream, behind=behind)
    try:
        yield proxy
    finally:
        proxy.stop()


@pytest.fixture(scope="session", autouse=True)
def _nginx_is_here() -> None:
    assert shutil.which("nginx"), "there is no nginx here: make nginx installs it"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(
        tmp_path_factory.mktemp("pulpo"),
        PULPO_TRUSTED_PROXIES="127.0.0.1",
        PULPO_MAX_REQUEST_BYTES=str(MOST_BYTES),
    )
    try:
        service.start()
        yield service
    finally:
        service.kill()


@pytest.fixture(scope="module")
def proxy(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxied(tmp_path_factory.mktemp("nginx"), service.url.removeprefix("http://")) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return service.token()


@pytest.fixture
def client(proxy: Proxy, token: str) -> Iterator[httpx.Client]:
    """The admin, through nginx."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=proxy.url, headers=headers, verify=proxy.trust(), timeout=30) as client:
        yield client
