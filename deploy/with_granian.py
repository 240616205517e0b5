"""Runs Pulpo under granian: python deploy/with_granian.py. Workers, threads and address come from PULPO_* settings."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import threading
from functools import partial
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from deploy.garbage import look_less_often
from deploy.newborn import end_newborns_when_told
from deploy.own_cpu import own_cpu, settle_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from app.services.queues import MessageQueue

STOP_SECONDS = 30  # longer than the longest wait of a pop, as under gunicorn
LOOK_SECONDS = 1.0


def main() -> None:
    # Where the workers count requests, so that each can tell of all. prometheus_client looks for it when it is loaded.
    memory = "/dev/shm"  # noqa: S108 - only private files are made there  # nosec B108
    metrics = tempfile.mkdtemp(prefix="pulpo-metrics-", dir=memory if os.access(memory, os.W_OK) else None)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
    from app.settings import Settings  # noqa: PLC0415

    settings = Settings.from_env()
    host, _, port = settings.bind.rpartition(":")
    server = Granian(
        "wsgi:app",
        address=_address(host.strip("[]")),
        port=int(port),
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.workers,
        blocking_threads=settings.threads,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels(settings.log_level),
    )
    end_newborns_when_told()
    try:
        server.serve(target_loader=partial(load, metrics, workers=settings.workers), wrap_loader=False)
    finally:
        shutil.rmtree(metrics, ignore_errors=True)


def _address(host: str) -> str:
    """The first address of a host; granian takes no names."""
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])


def load(metrics: str, *, workers: int) -> Any:
    """The app of a worker, which is minded by a thread of its own."""
    settle_on(None)
    from app.web import afterwards  # noqa: PLC0415 - not before the settings of its metrics are made
    from wsgi import app  # noqa: PLC0415

    # Ctrl-C reaches the server as well, which tells its workers by SIGTERM; one that hears both may hang.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    told, tells = socket.socketpair()
    told.settimeout(LOOK_SECONDS)
    tells.setblocking(False)  # noqa: FBT003 - it has no keyword
    signal.set_wakeup_fd(tells.fileno())  # granian sets handlers of its own after this
    minder = threading.Thread(target=_mind, args=[told, tells, app.extensions["pulpo"].queues], daemon=True)
    minder.start()
    for name in [name for name in os.environ if name.startswith("PULPO_")]:
        del os.environ[name]  # granian hands all of them to each request, secrets among them
    look_less_often()
    Finalize(None, afterwards.work_off, exitpriority=0)  # a worker of multiprocessing ends without atexit
    return _by_settled_threads(app.wsgi_app, own_cpu(metrics, workers=workers))


def _by_settled_threads(app: WSGIApplication, cpu: int | None) -> WSGIApplication:
    """`app`, by threads that keep to `cpu`. What speaks HTTP goes where it can: it needs no lock of Python's."""
    settled = threading.local()

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not hasattr(settled, "cpu"):
            settle_on(cpu)
            settled.cpu = cpu
        return app(environ, start_response)

    return run


def _mind(told: socket.socket, _kept_open: socket.socket, queues: MessageQueue) -> None:
    """Answers those who wait once the worker is told to stop. Stops it when the server that started it is no more."""
    server = multiprocessing.parent_process()
    while True:
        try:
            if told.recv(1) == bytes([signal.SIGTERM]):
                queues.stop_waiting()
        except TimeoutError:
            if server is not None and os.getppid() != server.pid:
                os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
