"""Prints, as a line for sh, what a systemd unit's ExecStart runs: with its user, directory, umask and environment.

Usage: python3 scripts/unit_command.py ROOT   (where etc/systemd/system/pulpo.service is, and what it refers to)
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

UNIT = "etc/systemd/system/pulpo.service"


def command(root: Path) -> str:
    """For a shell that is root in `root`, and becomes what the unit starts."""
    unit: dict[str, list[str]] = {}
    for line in (root / UNIT).read_text(encoding="utf-8").splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            unit.setdefault(name, []).append(value)
    (start,), (user,), (group,), (directory,) = (
        unit[name] for name in ("ExecStart", "User", "Group", "WorkingDirectory")
    )
    environ = list(unit["Environment"])
    for path in unit["EnvironmentFile"]:
        lines = (root / path.lstrip("/")).read_text(encoding="utf-8").splitlines()
        environ += [line for line in lines if line and not line.startswith("#")]
    privileges = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    if unit["NoNewPrivileges"] != ["yes"]:
        privileges.remove("--no-new-privs")
    if unit["CapabilityBoundingSet"] == [""]:
        privileges += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    words = [*privileges, "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", *environ]
    return f"cd {shlex.quote(directory)} && umask {unit['UMask'][0]} && exec {shlex.join(words)} {start}"


if __name__ == "__main__":
    print(command(Path(sys.argv[1])))
