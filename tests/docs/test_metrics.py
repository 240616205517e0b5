"""The metrics that the documentation and the alerts name are those that the code tells."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from scripts.dashboard_rules import expressions
from tests.service import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
HISTOGRAM = re.compile("_(count|bucket|sum)$")


def told(client: FlaskClient) -> set[str]:
    client.post("/push", json={"message": 1})
    client.post("/ack", json={"receipt": client.post("/pop", json={"lease": 30}).get_json()["receipt"]})
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    names = {sample.name for family in families for sample in family.samples if not sample.name.endswith("_created")}
    return {HISTOGRAM.sub("", name) for name in names}


def test_every_metric_stands_in_the_operations_table_and_no_other(admin: FlaskClient) -> None:
    table = OPERATIONS[OPERATIONS.index("## Metrics") : OPERATIONS.index("What is of queues and of Redis comes")]
    listed = re.findall(r"`(pulpo_[a-z_]+|_[a-z_]+_total)`", table)
    assert {f"pulpo_queue{name}" if name.startswith("_") else name for name in listed} == told(admin)


def test_the_alerts_know_no_other_metric(admin: FlaskClient) -> None:
    named = {HISTOGRAM.sub("", name) for name in re.findall(r"pulpo_[a-z_]+", RULES)}
    assert named <= told(admin)
    assert len(named) >= 8


def test_the_dashboard_knows_no_other_metric(admin: FlaskClient) -> None:
    named = {HISTOGRAM.sub("", name) for text in expressions() for name in re.findall(r"pulpo_[a-z_]+", text)}
    assert named <= told(admin)
    assert len(named) >= 20
