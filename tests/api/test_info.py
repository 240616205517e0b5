"""GET /info."""

from __future__ import annotations

import platform

from flask.testing import FlaskClient

from app.settings import Settings
from tests.api.answers import problem
from tests.conftest import SECRET


def test_info_tells_of_host_process_redis_and_limits(viewer: FlaskClient) -> None:
    info = viewer.get("/info").get_json()
    assert info.keys() == {"version", "python", "host", "process", "redis", "limits"}
    assert info["host"]["name"] == platform.node()
    assert info["process"]["uptime"] >= 0


def test_info_tells_how_durable_redis_is(viewer: FlaskClient) -> None:
    redis = viewer.get("/info").get_json()["redis"]
    assert (redis["status"], redis["aof_enabled"], redis["appendfsync"]) == ("pass", 1, "everysec")
    assert redis["maxmemory_policy"] == "noeviction"
    assert redis["redis_version"]
    assert redis["used_memory"] > 0


def test_info_tells_the_limits_that_a_client_meets(viewer: FlaskClient) -> None:
    assert viewer.get("/info").get_json()["limits"] == {
        "max_message_bytes": 262144,
        "max_request_bytes": 16777216,
        "max_depth": 128,
        "token_lifetime_seconds": 3600,
    }


def test_info_shows_neither_secret_nor_address(viewer: FlaskClient, settings: Settings) -> None:
    text = viewer.get("/info").text
    assert SECRET not in text
    assert settings.redis_address.reveal() not in text


def test_info_is_refused_without_the_permission_system(producer: FlaskClient) -> None:
    assert "system" in problem(producer.get("/info"), 403, "forbidden")["detail"]
