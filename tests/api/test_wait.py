"""Waiting where the server hides the connection, as Flask's test client does; tests/launcher has the rest."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient


def test_a_destructive_pop_does_not_wait_for_a_caller_that_cannot_be_seen(admin: FlaskClient) -> None:
    answer = admin.post("/pop", json={"wait": 1})
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/wait")


def test_a_leased_pop_waits(admin: FlaskClient) -> None:
    assert admin.post("/pop", json={"wait": 0.1, "lease": 30}).get_json()["id"] is None
    admin.post("/push", json={"message": 1})
    assert admin.post("/pop", json={"wait": 10, "lease": 30}).get_json()["message"] == 1


@pytest.mark.parametrize("wait", [-1, 20.1, True, "1", None])
def test_a_wait_out_of_range_is_refused(admin: FlaskClient, wait: object) -> None:
    answer = admin.post("/pop", json={"wait": wait, "lease": 30})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid")
