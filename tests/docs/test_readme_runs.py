"""The README's commands, all of them and in their order, against a service of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service import ROOT, Service

README = (ROOT / "README.md").read_text(encoding="utf-8")
# A refusal ends the script, with what was answered.
HEAD = """set -euo pipefail
curl() { command curl --fail-with-body "$@"; }
"""


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


def blocks() -> list[str]:
    """What stands between ```sh and ```."""
    return re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@needs_curl
@pytest.mark.timeout(120)
def test_every_command_of_the_readme_does_what_it_is_there_for(tmp_path: Path) -> None:
    script = "\n".join(block for block in blocks() if "flask" not in block)
    assert script.count("curl -s") >= 50
    service = Service(tmp_path, PULPO_FSYNC="always")
    try:
        service.start()
        password = (service.data_dir / "admin-password").read_text()
        script = script.replace("PULPO=http://127.0.0.1:8000", f"PULPO={service.url}")
        script = script.replace("PASSWORD=YOUR_PASSWORD", f"PASSWORD='{password}'")
        answer = _bash(HEAD + script, tmp_path)
        assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
        assert '"message":{"order": 42}' in answer.stdout
        assert "Preference-Applied: durable" in answer.stdout
    finally:
        service.kill()


@pytest.mark.timeout(60)
def test_every_operators_command_of_the_readme_runs(tmp_path: Path) -> None:
    script = "\n".join(block for block in blocks() if "flask" in block)
    script = script.replace("users add ada", "users add ada --password-file password")
    script = script.replace(".venv/bin/flask --app wsgi", f"{ROOT}/.venv/bin/flask --app {ROOT}/wsgi.py")
    service = Service(tmp_path)
    (tmp_path / "password").write_text("a long enough password")
    try:
        service.start()
        answer = _bash(f"set -eu\n{script}", tmp_path, PULPO_DATA_DIR=str(service.data_dir))
        assert answer.returncode == 0, answer.stderr[-2000:]
        assert "ada" in answer.stdout
    finally:
        service.kill()


def _bash(script: str, directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
