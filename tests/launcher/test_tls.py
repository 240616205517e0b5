"""gunicorn's own TLS, which is asked for by gunicorn's own variable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.service import ROOT, SERVER, Service, wait_until


@pytest.mark.skipif(SERVER == "granian", reason="the variable is gunicorn's")
def test_requests_over_tls_are_answered_as_any(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "deploy" / "self_signed.py"), str(tmp_path), "localhost"]
    subprocess.run(command, check=True)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    service = Service(tmp_path, GUNICORN_CMD_ARGS=f"--certfile {certificate} --keyfile {key}")
    service.launch()
    try:
        with httpx.Client(base_url=service.url.replace("http:", "https:"), verify=False) as client:
            wait_until(lambda: answers(client), 20)
            password = (service.data_dir / "admin-password").read_text()
            token = client.post("/login", json={"username": "admin", "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            assert client.post("/push", json={"message": 1}).status_code == 201
            assert client.post("/pop").json()["message"] == 1
            assert client.post("/pop?wait=0.1").json()["message"] is None
    finally:
        service.kill()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False
