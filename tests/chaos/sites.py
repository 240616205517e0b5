"""What the faults strike: real nodes of Pulpo on a standalone Redis, a Sentinel set or a Cluster."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis

from tests.chaos.proxy import Proxies
from tests.chaos.workload import Target
from tests.service import Service
from tests.topologies import Cluster, Node, SentinelSet, free_ports

NODES, QUEUES = 2, 6
SENTINEL_REPLICAS = 2
PASSWORD = "the admin of chaos"
PERMISSIONS = ["push:*", "pop:*", "count:*", "peek:*", "manage:*"]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
# The library fails the call by which Python sleeps; all that waits with a timeout works.
SLEEP_BY_SELECT = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
SHARED_MEMORY = Path("/dev/shm")
PROBE_SECONDS = 6.0
RECOVERY_SECONDS = 90.0
ROUNDS_THAT_WORK = 3  # a probe falls to one worker of a node by luck


class Site(ABC):
    """Nodes and what they stand on. The last node's clock can be moved; `mend` returns once all is whole."""

    name: str
    is_replicated = True
    has_spare = True  # whether durable pushes go on while one server is away

    def __init__(self, directory: Path, proxies: Proxies) -> None:
        self.directory = directory
        self.proxies = proxies
        self.clock = directory / "clock"
        self.clock.write_text("+0")
        self.nodes: list[Service] = []
        self.queues: list[str] = []
        self.probes: list[str] = []
        self.headers: dict[str, str] = {}
        self.is_durable = True

    def start(self, **environ: str) -> None:
        """Starts the nodes, which share secret and user table, and makes a key, which no clock outdates."""
        common = {
            "PULPO_SECRET": secrets.token_hex(32),
            "PULPO_ADMIN_PASSWORD": PASSWORD,
            "PULPO_DATABASE_URL": f"sqlite:///{self.directory / 'users.db'}",
            "PULPO_WORKERS": "2",
            "PULPO_LOG_LEVEL": "warning",
            "PULPO_FSYNC": "always",
            **environ,
        }
        for number in range(NODES):
            directory = self.directory / f"node-{number}"
            directory.mkdir()
            moved = self._movable() if number == NODES - 1 else {}
            node = Service(directory, **common, **self.redis_of(number), **moved)
            self.nodes.append(node)
            node.start()
            self.after_start(number)
        self.queues = self.spread("chaos", QUEUES)
        self.probes = self.spread("probe", len(self.shards()))
        self.headers = _key_for(self.nodes[0])

    def target(self) -> Target:
        return Target(self.nodes, self.queues, self.headers, self.is_durable)

    def close(self) -> None:
        for node in self.nodes:
            node.kill()

    def can_move_clocks(self) -> bool:
        return FAKETIME.is_file()

    @abstractmethod
    def redis_of(self, number: int) -> dict[str, str]:
        """The settings by which a node finds its Redis."""

    @abstractmethod
    def after_start(self, number: int) -> None:
        """What is to be done once that node runs."""

    @abstractmethod
    def shards(self) -> Sequence[object]:
        """Who takes writes, one for each part of the queues."""

    @abstractmethod
    def primaries(self) -> list[Redis]:
        """A client of each server that takes writes."""

    def reign(self) -> list[int]:
        """Which servers take writes, where others may take their place; while all is whole."""
        return []

    @abstractmethod
    def shard_of(self, queue: str) -> object: ...

    def spread(self, prefix: str, count: int) -> list[str]:
        """Names of queues, as many on each shard."""
        each = count // len(self.shards())
        found: dict[object, list[str]] = {shard: [] for shard in self.shards()}
        number = 0
        while any(len(names) < each for names in found.values()):
            names = found[self.shard_of(f"{prefix}-{number}")]
            if len(names) < each:
                names.append(f"{prefix}-{number}")
            number += 1
        return [name for names in zip(*found.values(), strict=True) for name in names]

    @abstractmethod
    def mend(self) -> None:
        """Returns once nothing is broken any more."""

    @abstractmethod
    def stop_store(self) -> None:
        """Ends every process that keeps data or watches over it."""

    @abstractmethod
    def start_store(self) -> None:
        """Starts them again."""

    def _movable(self) -> dict[str, str]:
        if not self.can_move_clocks():
            return {}
        patch = self.directory / "patch"
        patch.mkdir()
        (patch / "sitecustomize.py").write_text(SLEEP_BY_SELECT)
        return {
            "PYTHONPATH": str(patch),
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def wait_until_it_works(self, *, in_spite: bool = False) -> float:
        """The time when push, pop and ack began to work at every node, on every shard. Raises `AssertionError`.

        `in_spite`: a server is away, and where there is no spare one, no push can be proven.
        """
        headers = self.target().durable_headers if self.has_spare or not in_spite else self.headers
        deadline = time.monotonic() + RECOVERY_SECONDS
        began, in_a_row = 0.0, 0
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            while in_a_row < ROUNDS_THAT_WORK:
                results = list(pool.map(lambda node: self._works(node, headers), self.nodes))
                now = time.monotonic()
                if not all(results):
                    in_a_row = 0
                elif in_a_row == 0:
                    began, in_a_row = now, 1
                else:
                    in_a_row += 1
                if now > deadline:
                    raise AssertionError(f"it did not work again within {RECOVERY_SECONDS:.0f} s")
        return began

    def _works(self, node: Service, push_headers: dict[str, str]) -> bool:
        """Whether one message of each shard goes in, comes out and is acked there."""
        try:
            with httpx.Client(base_url=node.url, headers=self.headers, timeout=PROBE_SECONDS) as client:
                for queue in self.probes:
                    client.post(f"/queues/{queue}/push", json={"message": 0}, headers=push_headers).raise_for_status()
                    taken = client.post(f"/queues/{queue}/pop", json={"lease": 5}).raise_for_status().json()
                    if taken["id"] is not None:
                        client.post("/ack", json={"receipt": taken["receipt"]}).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.02)
            return False
        return True


class Standalone(Site):
    """A node with an embedded Redis (`always`), and one that reaches that Redis through a proxy."""

    name = "standalone"
    is_replicated = False

    def __init__(self, directory: Path, proxies: Proxies) -> None:
        super().__init__(directory, proxies)
        [self.door] = free_ports(1)

    def redis_of(self, number: int) -> dict[str, str]:
        return {} if number == 0 else {"PULPO_REDIS_URL": f"redis://127.0.0.1:{self.door}/0"}

    def after_start(self, number: int) -> None:
        if number == 0:
            self.proxies.add(self.door, str(self._socket))

    @property
    def _socket(self) -> Path:
        return self.nodes[0].data_dir / "redis" / "redis.sock"

    def shards(self) -> Sequence[object]:
        return [self._socket]

    def shard_of(self, _queue: str) -> object:
        return self._socket

    def primaries(self) -> list[Redis]:
        return [Redis(unix_socket_path=str(self._socket))]

    def mend(self) -> None:
        """Nothing: the launcher of the first node minds its Redis."""

    def stop_store(self) -> None:
        """Nothing: it ends with the first node."""

    def start_store(self) -> None:
        """Nothing: it starts with the first node."""


class OnTopology(Site):
    """Nodes on a set of servers, each of which is reached through a proxy, by its fellows as well."""

    make: Callable[..., SentinelSet | Cluster]

    def __init__(self, directory: Path, proxies: Proxies) -> None:
        super().__init__(directory, proxies)
        self.topology = type(self).make(fsync="always", behind=self._behind)

    def _behind(self, port: int) -> int:
        """Opens a proxy at `port`; returns the port where the server itself shall listen."""
        [own] = free_ports(1)
        self.proxies.add(port, own)
        return own

    def start(self, **environ: str) -> None:
        self.topology.__enter__()
        super().start(**environ)

    def close(self) -> None:
        super().close()
        self.topology.close()

    def after_start(self, number: int) -> None:
        """Nothing: the topology ran before."""

    def redis_of(self, _number: int) -> dict[str, str]:
        return {"PULPO_REDIS_URL": self.topology.url}

    def primaries(self) -> list[Redis]:
        return [node.client() for node in self.primary_nodes()]

    def reign(self) -> list[int]:
        return sorted(node.port for node in self.primary_nodes())

    @abstractmethod
    def primary_nodes(self) -> list[Node]: ...

    def replica_nodes(self) -> list[Node]:
        primaries = self.primary_nodes()
        return [node for node in self.topology.nodes if node not in primaries]

    def shards(self) -> Sequence[object]:
        return self.primary_nodes()

    def mend(self) -> None:
        self.topology.heal()

    def stop_store(self) -> None:
        for node in self.topology.processes:
            node.kill()

    def start_store(self) -> None:
        self.topology.heal()


class OnSentinel(OnTopology):
    """One primary, two replicas, three sentinels. A push is proven by both replicas: either may take over."""

    name = "sentinel"
    has_spare = False
    make = SentinelSet
    topology: SentinelSet

    def start(self, **environ: str) -> None:
        replicas = environ.setdefault("PULPO_DURABLE_REPLICAS", str(SENTINEL_REPLICAS))
        self.has_spare = int(replicas) < SENTINEL_REPLICAS
        super().start(**environ)

    def primary_nodes(self) -> list[Node]:
        return [self.topology.primary()]

    def shard_of(self, _queue: str) -> object:
        return self.topology.primary()


class OnCluster(OnTopology):
    """Three primaries, each with a replica."""

    name = "cluster"
    has_spare = False
    make = Cluster
    topology: Cluster

    def primary_nodes(self) -> list[Node]:
        return self.topology.primaries()

    def shard_of(self, queue: str) -> object:
        return self.topology.primary_of(queue)


SITES: dict[str, type[Site]] = {site.name: site for site in (Standalone, OnSentinel, OnCluster)}


@contextmanager
def running(name: str, *, durable: bool, **environ: str) -> Iterator[Site]:
    """A site that was started, and of which nothing is left."""
    directory = Path(tempfile.mkdtemp(prefix="pulpo-chaos-"))
    with Proxies() as proxies:
        site = SITES[name](directory, proxies)
        site.is_durable = durable
        try:
            site.start(**environ)
            yield site
        finally:
            site.close()
            shutil.rmtree(directory, ignore_errors=True)
            _sweep()


def _sweep() -> None:
    """Removes what killed processes have left in memory: it has the number of the process in its name."""
    for path in SHARED_MEMORY.glob("*faketime_*_*"):
        if not psutil.pid_exists(int(path.name.rpartition("_")[2])):
            path.unlink(missing_ok=True)
    for directory in SHARED_MEMORY.glob("pulpo-metrics-*"):
        owners = {
            int(number[0]) for path in directory.glob("*.db") if (number := re.findall(r"_(\d+)\.db$", path.name))
        }
        if owners and not any(map(psutil.pid_exists, owners)):
            shutil.rmtree(directory, ignore_errors=True)


def _key_for(node: Service) -> dict[str, str]:
    login = httpx.post(f"{node.url}/login", json={"username": "admin", "password": PASSWORD}).raise_for_status()
    by_token = {"Authorization": f"Bearer {login.json()['access_token']}"}
    asked: dict[str, Any] = {"name": "chaos", "permissions": PERMISSIONS}
    made = httpx.post(f"{node.url}/keys", json=asked, headers=by_token).raise_for_status().json()
    return {"Authorization": f"Bearer {made['key']}"}
