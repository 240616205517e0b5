"""Holds the settings against docs/operations.md, in both directions."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from app.settings import SECRET_FIELDS, Settings

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ROW = re.compile(r"^\| `(PULPO_[A-Z_]*[A-Z])` \|", re.MULTILINE)
NAME = re.compile(r"\bPULPO_[A-Z_]*[A-Z]\b")


def test_every_setting_has_a_row_in_the_operations_table() -> None:
    rows = ROW.findall(OPERATIONS.read_text(encoding="utf-8"))

    assert sorted(rows) == sorted(_settings())


def test_every_secret_setting_is_documented_with_its_file_form() -> None:
    named = set(NAME.findall(OPERATIONS.read_text(encoding="utf-8")))

    assert _files() - named == set()


def test_every_name_in_the_operations_page_is_a_setting_or_its_file_form() -> None:
    named = set(NAME.findall(OPERATIONS.read_text(encoding="utf-8")))

    assert named - _settings() - _files() == set()


def _settings() -> set[str]:
    return {f"PULPO_{field.name.upper()}" for field in msgspec.structs.fields(Settings)}


def _files() -> set[str]:
    return {f"PULPO_{name.upper()}_FILE" for name in SECRET_FIELDS}
