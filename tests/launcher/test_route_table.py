"""The table of all routes, as `scripts/route_table.py` sees a real server answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.service import ROOT, Service

ADMIN_PASSWORD = "the admin of the table"
LIMITED_PASSWORD = "who may do next to nothing"


def test_every_route_answers_as_the_table_says(tmp_path: Path) -> None:
    service = Service(tmp_path, PULPO_ADMIN_PASSWORD=ADMIN_PASSWORD)
    try:
        service.start()
        environ = os.environ | {"PULPO_DATA_DIR": str(service.data_dir)}
        add = [sys.executable, "-m", "flask", "--app", "wsgi", "users", "add", "limited", "--password-file", "-"]
        subprocess.run(add, cwd=ROOT, env=environ, input=LIMITED_PASSWORD, text=True, check=True, capture_output=True)
        environ |= {"PULPO_PASSWORD": ADMIN_PASSWORD, "PULPO_LIMITED_PASSWORD": LIMITED_PASSWORD}
        script = [sys.executable, str(ROOT / "scripts" / "route_table.py"), service.url]
        table = subprocess.run(script, env=environ, text=True, check=False, capture_output=True)
    finally:
        service.kill()
    assert table.returncode == 0, table.stdout + table.stderr
