"""Starts the servers that are compared, each with data, ports and processes of its own; nothing of them stays."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx
import psutil

from bench.load import Target
from tests.redis_server import PrivateRedis
from tests.service import Service, free_port, wait_until

WORKERS, BARE_THREADS = 2, 4
SERVER_NAMES = re.compile("redis-server|valkey-server")
BENCH_BIN = Path(__file__).parents[1] / ".venv-bench" / "bin"  # what `make bench` installs
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one on the PATH is Debian's, for the system's node
START_SECONDS = 60.0


@contextmanager
def pulpo(server: str, **settings: str) -> Iterator[Target]:
    """Pulpo with its default settings, but for those given, and an embedded Redis."""
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_SERVER=server, **settings)
        try:
            service.start()

            def processes() -> list[psutil.Process]:
                return [each for each in service.processes() if not SERVER_NAMES.search(each.name())]

            but = "".join(f" but {name}={value}" for name, value in settings.items())
            about = f"{server} {version(server)}, its default settings{but}, embedded Redis; push, leased pop, ack"
            yield Target(service.url, "pulpo", processes, about, {"TOKEN": service.token()})
            service.stop()
        finally:
            service.kill()


@contextmanager
def bare(server: str, *options: str, app: str = "bench.bare:app") -> Iterator[Target]:
    """The ten-line Flask app, or another one that needs a Redis and nothing else."""
    port = free_port()
    commands = {
        "gunicorn": [
            *(sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-k", "gthread", "--log-level", "warning"),
            *("-w", str(WORKERS), "--threads", str(BARE_THREADS), "--no-control-socket", *options, app),
        ],
        "granian": [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-log", "--http", "1"),
            *("--workers", str(WORKERS), "--blocking-threads", str(BARE_THREADS), *options, app),
        ],
    }
    url = f"http://127.0.0.1:{port}"
    what = f"Flask {version('flask')}" if app.startswith("bench.bare") else "a WSGI function"
    about = f"{what}, {server} {version(server)}, {WORKERS} workers, {BARE_THREADS} threads; push, pop"
    with (
        PrivateRedis("--appendonly", "yes") as redis,
        _started(commands[server], f"{url}/pop", {"BARE_REDIS_URL": redis.url}) as process,
    ):
        yield Target(url, "bare", lambda: _tree(process), about)


@contextmanager
def webdis() -> Iterator[Target]:
    """Webdis, which passes commands on to Redis."""
    port, redis_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as directory, PrivateRedis("--appendonly", "yes", "--port", str(redis_port)):
        settings = {"redis_host": "127.0.0.1", "redis_port": redis_port, "http_host": "127.0.0.1", "http_port": port}
        settings |= {"threads": WORKERS, "pool_size": 20, "daemonize": False, "verbosity": 0, "logfile": os.devnull}
        path = Path(directory) / "webdis.json"
        path.write_text(json.dumps(settings))
        with _started(["webdis", str(path)], f"{url}/PING") as process:
            about = f"{httpx.get(url).headers['server']}, {WORKERS} threads; RPUSH, LPOP, no users, no lease"
            yield Target(url, "webdis", lambda: _tree(process), about)


@contextmanager
def moto() -> Iterator[Target]:
    """moto's SQS: a stand-in for tests, in Python, that keeps messages in its memory."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(BENCH_BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    # It looks for the service in here, and checks no signature.
    scope = "Credential=bench/20260101/us-east-1/sqs/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
    headers = {"Authorization": authorization, "Content-Type": "application/x-amz-json-1.0"}
    with _started(command, f"{url}/moto-api/data.json", quiet=True) as process:
        create = {"X-Amz-Target": "AmazonSQS.CreateQueue", **headers}
        queue_url = httpx.post(url, headers=create, json={"QueueName": "bench"}).json()["QueueUrl"]
        about = f"moto {_bench_version('moto')}, its own threaded server, which closes each connection; in memory;"
        about += " SendMessage, ReceiveMessage, DeleteMessage"
        environ = {"AUTHORIZATION": authorization, "QUEUE_URL": queue_url}
        yield Target(url, "moto", lambda: _tree(process), about, environ)


@contextmanager
def rabbitmq() -> Iterator[Target]:
    """RabbitMQ's management API: made to look after a node, and the one that lets HTTP publish and get."""
    port, epmd_port = free_port(), free_port()
    url, user, password = f"http://127.0.0.1:{port}", "bench", secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        settings = {"listeners.tcp": "none", "management.tcp.ip": "127.0.0.1", "management.tcp.port": port}
        settings |= {"default_user": user, "default_pass": password, "log.console": "false"}
        (directory / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        (directory / "plugins").write_text("[rabbitmq_management].")
        environ = _rabbitmq_environ(directory, epmd_port)
        # Started by the node itself, epmd would outlive it.
        epmd = ["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"]
        with _running(epmd), _started([RABBITMQ], url, environ) as process:
            api = httpx.Client(base_url=f"{url}/api", auth=(user, password))
            wait_until(lambda: api.put("/queues/%2F/bench", json={"durable": True}).is_success)
            about = f"RabbitMQ {api.get('/overview').json()['rabbitmq_version']}, durable queue; publish, get with ack"
            basic = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
            yield Target(url, "rabbitmq", lambda: _tree(process), about, {"AUTHORIZATION": basic})


def _rabbitmq_environ(directory: Path, epmd_port: int) -> dict[str, str]:
    """What keeps a node apart from the system's: its name, ports, cookie (in HOME), settings, data and logs."""
    return {
        "HOME": str(directory),
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_NODENAME": "pulpo-bench@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
    }


@contextmanager
def lmstfy(url: str, token: str) -> Iterator[Target]:
    """An lmstfy that runs already, asked in its namespace `bench`. Its CPU counts if it is on this machine."""
    port = urlsplit(url).port

    def processes() -> list[psutil.Process]:
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        return [
            psutil.Process(pid)
            for pid in {each.pid for each in listening if each.laddr and each.laddr.port == port}
            if pid
        ]

    yield Target(url, "lmstfy", processes, "as it was found; publish, consume with a ttr, delete", {"TOKEN": token})


BASE = "bare, gunicorn"
Starter = Callable[[], AbstractContextManager[Target]]
BARES: dict[str, Starter] = {
    BASE: lambda: bare("gunicorn"),
    "bare, gunicorn, reuse_port": lambda: bare("gunicorn", "--reuse-port"),
    "bare, granian": lambda: bare("granian"),
}
PEERS: dict[str, Starter] = {
    **BARES,
    "Pulpo, gunicorn": lambda: pulpo("gunicorn"),
    "Pulpo, granian": lambda: pulpo("granian"),
    "Pulpo, granian, 4 threads": lambda: pulpo("granian", PULPO_THREADS="4"),
    "floor, gunicorn": lambda: bare("gunicorn", app="bench.floor:app"),
    "floor, granian": lambda: bare("granian", app="bench.floor:app"),
    "Webdis": webdis,
    "moto's SQS": moto,
    "RabbitMQ's management API": rabbitmq,
}
# What a peer needs, and how it gets here.
PROGRAMS = {
    "Webdis": ("webdis", "apt-get install webdis"),
    "moto's SQS": (str(BENCH_BIN / "moto_server"), "sh scripts/setup requirements-bench.txt .venv-bench"),
    "RabbitMQ's management API": (RABBITMQ, "apt-get install rabbitmq-server"),
}


def demand_programs(names: list[str]) -> None:
    """Ends the run, and says what to install, if wrk or one of the peers is not here."""
    needed = {"wrk": ("wrk", "apt-get install wrk"), **{name: PROGRAMS[name] for name in names if name in PROGRAMS}}
    missing = [f"{name} is missing: {how}" for name, (program, how) in needed.items() if not shutil.which(program)]
    if missing:
        sys.exit("\n".join([*missing, "make bench ARGS='--only NAME …' measures some of the peers"]))


@contextmanager
def _started(
    command: list[str], url: str, environ: Mapping[str, str] = MappingProxyType({}), *, quiet: bool = False
) -> Iterator[psutil.Process]:
    """A server of ours that answers at `url` (anything at all)."""
    with _running(command, environ, quiet=quiet) as process:
        wait_until(lambda: httpx.get(url).status_code > 0, START_SECONDS)
        yield process


@contextmanager
def _running(
    command: list[str], environ: Mapping[str, str] = MappingProxyType({}), *, quiet: bool = False
) -> Iterator[psutil.Process]:
    """A process, killed at the end with all below it: what it would save goes with its directory."""
    log = subprocess.DEVNULL if quiet else None  # else what goes wrong is shown
    with subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=log) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            for each in _tree(psutil.Process(process.pid)):
                with suppress(psutil.NoSuchProcess):
                    each.kill()


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _bench_version(package: str) -> str:
    """The version of a package that only the bench has."""
    command = [str(BENCH_BIN / "python"), "-c", f"import importlib.metadata as m; print(m.version({package!r}))"]
    return subprocess.check_output(command, text=True).strip()
