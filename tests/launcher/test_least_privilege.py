"""The whole service on a Redis where it may do what `deploy/redis/acl-rules` says, and no more."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx

from tests.redis_server import PrivateRedis
from tests.service import Service


def test_nothing_that_the_service_does_is_denied(tmp_path: Path) -> None:
    with PrivateRedis("--appendfsync", "always") as redis:
        service = Service(tmp_path, PULPO_REDIS_URL=redis.user_url, PULPO_METRICS_PUBLIC="true")
        try:
            service.start()
            assert httpx.get(f"{service.url}/health").json()["status"] == "pass"
            waiting = threading.Thread(target=service.call, args=["/pop", {"wait": 10, "lease": 30}])
            waiting.start()
            headers = {"Authorization": f"Bearer {service.token()}", "Prefer": "durable"}
            pushed = httpx.post(f"{service.url}/push", json={"message": 1}, headers=headers)
            assert (pushed.status_code, pushed.headers["Preference-Applied"]) == (201, "durable")
            waiting.join()
            assert (
                httpx.post(f"{service.url}/login", data={"username": "admin", "password": "wrong"}).status_code == 401
            )
            assert "pulpo_redis_up 1.0" in httpx.get(f"{service.url}/metrics").text
            assert httpx.get(f"{service.url}/info", headers=headers).json()["redis"]["appendfsync"] == "always"
        finally:
            service.kill()
        assert redis.denied() == []
