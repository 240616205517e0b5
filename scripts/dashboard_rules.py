"""Prints each expression of the Grafana dashboard as a recording rule, so that promtool can check it.

Usage: python -m scripts.dashboard_rules >rules.yml; promtool check rules rules.yml
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

DASHBOARD = Path(__file__).parents[1] / "deploy" / "prometheus" / "dashboard.json"
# What Grafana puts in; the test of the metrics' names reads the expressions as they are.
VARIABLES = {"$__rate_interval": "5m", "$queue": ".*"}


def expressions() -> Iterator[str]:
    """Every expression of every panel."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def rules() -> dict[str, object]:
    """The same as a file of rules, which may be JSON, for that is YAML."""
    recorded = []
    for number, expression in enumerate(expressions()):
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901
        recorded.append({"record": f"dashboard:{number}", "expr": expression})
    return {"groups": [{"name": "dashboard", "rules": recorded}]}


if __name__ == "__main__":
    print(json.dumps(rules(), indent=2))
