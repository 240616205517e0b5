"""Workers that fill a machine have a CPU each, and push nobody aside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.service import Service, running, wait_until

CPUS = sorted(os.sched_getaffinity(0))

pytestmark = pytest.mark.skipif(len(CPUS) == 1, reason="where all have one CPU, nobody can be seen to keep to it")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(PULPO_WORKERS=str(len(CPUS)), PULPO_THREADS="4") as service:
        yield service


def test_each_of_as_many_workers_as_cpus_keeps_to_one_of_its_own(service: Service) -> None:
    wait_until(lambda: [cpus for cpus, _ in workers_of(service)] == [{cpu} for cpu in CPUS])


def test_their_threads_and_those_of_redis_push_nobody_aside(service: Service) -> None:
    wait_until(lambda: len(workers_of(service)) == len(CPUS))
    busy = [worker for _, worker in workers_of(service)] + [service.redis()]
    threads = [thread.id for process in busy for thread in process.threads()]
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}


def test_who_takes_the_place_of_a_worker_gets_its_cpu(service: Service) -> None:
    for victim in (0, -1):
        wait_until(lambda: len(workers_of(service)) == len(CPUS))
        workers_of(service)[victim][1].kill()
        wait_until(lambda: [cpus for cpus, _ in workers_of(service)] == [{cpu} for cpu in CPUS])


def test_workers_that_leave_a_cpu_free_go_where_they_can() -> None:
    with running(PULPO_WORKERS=str(len(CPUS) - 1), PULPO_THREADS="4") as service:
        assert {tuple(each.cpu_affinity()) for each in service.processes()} == {tuple(CPUS)}


def workers_of(service: Service) -> list[tuple[set[int], psutil.Process]]:
    """The processes with threads that may not go everywhere, and where these may go."""
    httpx.get(f"{service.url}/health/live")  # granian's threads settle when they first answer
    found = []
    for process in service.processes():
        try:
            threads = [os.sched_getaffinity(thread.id) for thread in process.threads()]
        except (OSError, psutil.Error):
            continue
        settled = [cpus for cpus in threads if cpus != set(CPUS)]
        if settled:
            found.append((set.union(*settled), process))
    return sorted(found, key=lambda worker: sorted(worker[0]))
