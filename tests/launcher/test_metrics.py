"""Metrics of several workers: each of them tells of all."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx

from app.web.afterwards import EVERY_SECONDS
from tests.service import Service, wait_until

REQUESTS = 40
COUNT = re.compile(
    r'pulpo_http_request_duration_seconds_count\{method="GET",route="/health/live",status="200"\} ([\d.]+)'
)


def test_every_worker_tells_the_requests_of_all(tmp_path: Path) -> None:
    service = Service(tmp_path, PULPO_WORKERS="2", PULPO_METRICS_PUBLIC="true")
    try:
        service.start()
        for _ in range(REQUESTS):
            assert httpx.get(f"{service.url}/health/live").status_code == 200
        time.sleep(2 * EVERY_SECONDS)
        told = [COUNT.search(httpx.get(f"{service.url}/metrics").text) for _ in range(10)]
        assert [match and float(match[1]) for match in told] == [REQUESTS] * 10
    finally:
        service.kill()


def test_what_the_workers_counted_is_removed_when_the_server_stops(tmp_path: Path) -> None:
    service = Service(tmp_path)
    try:
        service.start()
        files = {
            Path(each.path)
            for process in service.processes()
            for each in process.open_files()
            if "pulpo-metrics" in each.path
        }
        maps = {m.path for process in service.processes() for m in process.memory_maps() if "pulpo-metrics" in m.path}
        directories = {path.parent for path in (*files, *map(Path, maps))}
        assert len(directories) == 1
        service.stop()
        wait_until(lambda: not any(directory.exists() for directory in directories))
    finally:
        service.kill()
