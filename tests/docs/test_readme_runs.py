"""The README's commands, all of them and in their order, against a service of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import HEAD, README, bash, blocks, for_operators, for_service, needs_curl
from tests.service import Service


@needs_curl
@pytest.mark.timeout(120)
def test_every_command_of_the_readme_does_what_it_is_there_for(tmp_path: Path) -> None:
    script = "\n".join(block for block in blocks(README) if "flask" not in block)
    assert script.count("curl -s") >= 50
    service = Service(tmp_path, PULPO_FSYNC="always")
    try:
        service.start()
        answer = bash(HEAD + for_service(script, service), tmp_path)
        assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
        assert '"message":{"order": 42}' in answer.stdout
        assert "Preference-Applied: durable" in answer.stdout
    finally:
        service.kill()


@pytest.mark.timeout(60)
def test_every_operators_command_of_the_readme_runs(tmp_path: Path) -> None:
    script = "\n".join(block for block in blocks(README) if "flask" in block)
    script = script.replace("users add ada", "users add ada --password-file password")
    service = Service(tmp_path)
    (tmp_path / "password").write_text("a long enough password")
    try:
        service.start()
        answer = bash(f"set -eu\n{for_operators(script)}", tmp_path, PULPO_DATA_DIR=str(service.data_dir))
        assert answer.returncode == 0, answer.stderr[-2000:]
        assert "ada" in answer.stdout
    finally:
        service.kill()
