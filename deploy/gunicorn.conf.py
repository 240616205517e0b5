"""How gunicorn runs Pulpo; workers, threads and address come from PULPO_* settings."""

import os
import resource
import select
import shutil
import signal
import sys
import tempfile
from types import FrameType
from typing import Any

# A heartbeat file on a disk can block a worker; memory cannot.
_memory = "/dev/shm"  # noqa: S108 - only private files are made there  # nosec B108
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None

# Where the workers count requests, so that each can tell of all. prometheus_client looks for it when it is imported.
_metrics = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="pulpo-metrics-", dir=worker_tmp_dir)

from app.settings import Settings  # noqa: E402
from deploy.garbage import look_less_often  # noqa: E402
from deploy.newborn import end_newborns_when_told  # noqa: E402
from deploy.own_cpu import own_cpu, settle_on  # noqa: E402

_settings = Settings.from_env()

bind = _settings.bind
wsgi_app = "wsgi:app"
worker_class = "deploy.patient_worker.PatientWorker"
workers = _settings.workers
threads = _settings.threads

# Each connection takes a file, and many systems give a process 1,024 unless it asks for more.
_, _most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most_files, _most_files))

# The app connects to nothing before its first request, so it can be loaded once and shared.
preload_app = True

# Each worker listens for itself, and the kernel spreads connections. With one socket for all, one worker often takes
# every connection of a client that opens many, and the others stand idle: half the requests, at twice the CPU.
reuse_port = True

keepalive = 75  # seconds; longer than nginx keeps its own side, so that nginx closes first
timeout = 60
graceful_timeout = 30  # longer than the longest wait of a pop
backlog = 512
worker_connections = threads + 512
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

accesslog = None  # the app writes its own line a request
errorlog = "-"
loglevel = _settings.log_level

# It opens a socket in the home directory, which a read-only container does not have.
control_socket_disable = True


end_newborns_when_told()


def post_fork(_server: Any, _worker: Any) -> None:
    settle_on(own_cpu(_metrics, workers=workers))
    look_less_often()


def post_worker_init(worker: Any) -> None:
    """Lets a worker that is told to stop answer those who wait, instead of letting them wait on."""
    stop = signal.getsignal(signal.SIGTERM)
    queues = worker.app_of_pulpo.extensions["pulpo"].queues

    def answer_and_stop(number: int, frame: FrameType | None) -> None:
        queues.stop_waiting()
        if callable(stop):
            stop(number, frame)

    # gunicorn's own handler takes a lock of the thread pool that the code it interrupts may hold, and waits for ever.
    def answer_and_quit(_number: int, _frame: FrameType | None) -> None:
        queues.stop_waiting()
        worker.alive = False
        sys.exit(0)

    _shut_the_door_when_it_stops(worker)
    signal.signal(signal.SIGTERM, answer_and_stop)
    signal.signal(signal.SIGQUIT, answer_and_quit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the master as well, which passes it on as SIGQUIT


def _shut_the_door_when_it_stops(worker: Any) -> None:
    """A worker that stops takes in all who connected already, then listens no more.

    gunicorn leaves its socket open until the last request is answered and accepts nothing from it: whoever connects
    meanwhile is reset, and cannot know that nothing was done. A connection that is refused can be made elsewhere.
    """
    set_accept_enabled = worker.set_accept_enabled

    def set_or_shut(enabled: bool) -> None:  # noqa: FBT001 - gunicorn calls it so
        set_accept_enabled(enabled)
        if worker.alive:
            return
        for listener in worker.sockets:
            while listener.sock is not None and select.select([listener], [], [], 0)[0]:
                worker.accept(listener)
            listener.close()

    worker.set_accept_enabled = set_or_shut


def on_exit(_server: Any) -> None:
    """Removes what the workers counted."""
    shutil.rmtree(_metrics, ignore_errors=True)
