"""What Prometheus reads."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.conftest import MakeApp, client_of

Samples = dict[tuple[str, ...], float]


def scrape(client: FlaskClient) -> Samples:
    """Every sample by its name and the values of its labels, which stand in the order of their names."""
    answer = client.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_queues_are_told_by_state_with_their_totals(admin: FlaskClient) -> None:
    admin.post("/queues/a/push", json={"messages": [{"message": 1}, {"message": 2}, {"message": 3, "delay": 60}]})
    admin.post("/queues/a/pop", json={"lease": 30})
    admin.post("/queues/a/pause", json={"operation": "push"})
    found = scrape(admin)
    states = {state: found["pulpo_queue_messages", "a", state] for state in ("ready", "delayed", "leased", "dead")}
    assert states == {"ready": 1, "delayed": 1, "leased": 1, "dead": 0}
    assert found["pulpo_queue_bytes", "a"] == 3
    assert found["pulpo_queue_oldest_age_seconds", "a"] >= 0
    assert (found["pulpo_queue_pushed_total", "a"], found["pulpo_queue_delivered_total", "a"]) == (3, 1)
    assert (found["pulpo_queue_paused", "push", "a"], found["pulpo_queue_paused", "pop", "a"]) == (1, 0)
    assert (found[("pulpo_queues",)], found[("pulpo_redis_up",)]) == (1, 1)
    assert found[("pulpo_redis_memory_used_bytes",)] > 0


def test_beyond_so_many_queues_the_rest_has_one_label(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.timings.MOST_QUEUES", 2)
    for queue in "abcd":
        admin.post(f"/queues/{queue}/push", json={"message": 1})
    found = scrape(admin)
    labelled = {key[1]: value for key, value in found.items() if key[0] == "pulpo_queue_pushed_total"}
    assert labelled == {"a": 1, "b": 1, "__other__": 2}
    assert found[("pulpo_queues",)] == 4


def test_requests_are_counted_by_route_and_status(admin: FlaskClient) -> None:
    key = ("pulpo_http_request_duration_seconds_count", "GET", "/queues/<queue>/count", "200")
    before = scrape(admin).get(key, 0)
    admin.get("/queues/a/count")
    admin.get("/queues/b/count")
    assert scrape(admin)[key] == before + 2


def test_a_client_cannot_make_labels_of_its_own(admin: FlaskClient) -> None:
    for name in ("FOO", "BAR"):
        admin.open(f"/{name}", method=name)
    labels = {key[1:3] for key in scrape(admin) if key[0] == "pulpo_http_request_duration_seconds_count"}
    assert ("other", "none") in labels
    assert not any(name in label for label in labels for name in ("FOO", "BAR"))


def test_redis_out_of_reach_is_a_metric_and_no_error(settings: Settings, make_app: MakeApp, tmp_path: Path) -> None:
    away = msgspec.structs.replace(settings, redis_url=Secret(f"unix://{tmp_path / 'nobody.sock'}"))
    found = scrape(client_of(make_app(away), "viewer"))
    assert found[("pulpo_redis_up",)] == 0


def test_metrics_need_the_permission_system_unless_a_setting_opens_them(
    settings: Settings, make_app: MakeApp, client: FlaskClient, producer: FlaskClient
) -> None:
    problem(client.get("/metrics"), 401, "unauthenticated")
    problem(producer.get("/metrics"), 403, "forbidden")
    public = make_app(msgspec.structs.replace(settings, metrics_public=True))
    assert public.test_client().get("/metrics").status_code == 200


def test_how_long_messages_wait_and_are_worked_on_is_told_by_queue(admin: FlaskClient) -> None:
    before = scrape(admin)  # the process counts on from test to test
    admin.post("/queues/timed/push", json={"messages": [{"message": 1}, {"message": 2}]})
    receipt = admin.post("/queues/timed/pop", json={"lease": 30}).get_json()["receipt"]
    admin.post("/queues/timed/pop", json={})
    admin.post("/ack", json={"receipt": receipt})
    admin.post("/ack", json={"receipt": receipt})
    after = scrape(admin)
    waits, works = (f"pulpo_message_{what}_seconds_count" for what in ("wait", "processing"))
    assert after[waits, "timed"] == before.get((waits, "timed"), 0) + 2
    assert after[works, "timed"] == before.get((works, "timed"), 0) + 1
    assert after["pulpo_message_processing_seconds_sum", "timed"] < 5


def test_a_message_that_comes_back_waited_only_once(admin: FlaskClient) -> None:
    key = ("pulpo_message_wait_seconds_count", "again")
    before = scrape(admin).get(key, 0)
    admin.post("/queues/again/push", json={"message": 1})
    for _ in range(2):
        receipt = admin.post("/queues/again/pop", json={"lease": 30}).get_json()["receipt"]
        admin.post("/nack", json={"receipt": receipt, "delay": 0})
    assert scrape(admin)[key] == before + 1


def test_beyond_so_many_queues_the_others_are_timed_together(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.timings._labelled", set())
    monkeypatch.setattr("app.web.timings.MOST_QUEUES", 1)
    for queue in ("kept", "lumped"):
        admin.post(f"/queues/{queue}/push", json={"message": 1})
        admin.post(f"/queues/{queue}/pop", json={})
    labels = {key[1] for key in scrape(admin) if key[0] == "pulpo_message_wait_seconds_count"}
    assert {"kept", "__other__"} <= labels
    assert "lumped" not in labels


def test_a_pop_that_is_answered_again_waited_only_once(admin: FlaskClient) -> None:
    key = ("pulpo_message_wait_seconds_count", "replayed")
    before = scrape(admin).get(key, 0)
    admin.post("/queues/replayed/push", json={"message": 1})
    for _ in range(3):
        admin.post("/queues/replayed/pop", json={"lease": 30}, headers={"Idempotency-Key": "k"})
    assert scrape(admin)[key] == before + 1
