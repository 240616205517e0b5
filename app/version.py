"""The version of Pulpo, said once, and the commit that it was made of."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

VERSION = "0.1.0"
# Written where an image or an installation is made; a working copy has none.
COMMIT_FILE = Path(__file__).with_name("COMMIT")


def made_of() -> str | None:
    """The commit that was noted when this was built; None if there was none."""
    with suppress(OSError, UnicodeDecodeError):
        commit = COMMIT_FILE.read_text(encoding="ascii").strip()
        return commit if re.fullmatch("[0-9a-f]{7,64}", commit) else None
    return None


COMMIT = made_of()
