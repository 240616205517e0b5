"""The passwords that compose begins with: made once, and for nobody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.service import ROOT


def made(directory: Path, of: str = "redis") -> dict[str, str]:
    subprocess.run([sys.executable, ROOT / "deploy" / "first_secrets.py", of, directory], check=True)
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_they_are_made_once_and_differ_from_place_to_place(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    first = made(here)
    assert made(here) == first
    assert first["redis-password"] != made(there)["redis-password"]
    assert len(first["redis-password"]) == 64


def test_all_say_the_same_password_and_only_owner_and_group_may_read_it(tmp_path: Path) -> None:
    secrets = made(tmp_path)
    password = secrets["redis-password"]
    assert secrets["redis.conf"] == f"requirepass {password}\nmasterauth {password}\n"
    sentinels = "sentinel-1:26379,sentinel-2:26380,sentinel-3:26381"
    assert secrets["redis-sentinel-url"] == f"redis+sentinel://:{password}@{sentinels}/pulpo/0"
    assert secrets["redis-url"] == f"redis://:{password}@redis:6379/0"
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o440}


def test_what_is_missing_after_a_start_that_was_cut_short_is_made(tmp_path: Path) -> None:
    first = made(tmp_path)
    (tmp_path / "redis-url").unlink()
    (tmp_path / "redis.conf").unlink()
    assert made(tmp_path) == first


def test_grafana_is_given_its_own_and_not_that_of_redis(tmp_path: Path) -> None:
    (name,) = made(tmp_path, "grafana")
    assert name == "grafana-password"
    assert made(tmp_path, "grafana") == made(tmp_path, "grafana")
