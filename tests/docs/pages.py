"""The pages of the documentation: their blocks, and how their commands are run."""

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


def blocks(page: str, language: str = "sh") -> list[str]:
    """What stands between ```sh and ```."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def for_service(script: str, service: Service) -> str:
    """The README's login lines, or a script that has them, with the address and the password of `service`."""
    password = (service.data_dir / "admin-password").read_text()
    script = script.replace("PULPO=http://127.0.0.1:8000", f"PULPO={service.url}")
    return script.replace("PASSWORD=YOUR_PASSWORD", f"PASSWORD='{password}'")


def for_operators(script: str) -> str:
    """Operators' commands, so that they can be run outside of the repository's directory."""
    return script.replace(".venv/bin/flask --app wsgi", f"{ROOT}/.venv/bin/flask --app {ROOT}/wsgi.py")


def bash(script: str, directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in `directory`, without any input."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
