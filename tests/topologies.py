"""Real Redis topologies that belong to the tests alone: a Sentinel set and a Cluster whose processes can be ended.

The environment's `REDIS_SERVER` and `REDIS_LOCALE` choose the program, as for `tests/redis_server.py`. Everything
listens on the loopback address, on free ports outside of the range that the system gives to clients, so that a process
that was ended gets its port back. `url` is what PULPO_REDIS_URL takes: its user may do what `deploy/redis/acl-rules`
says. The tests themselves are the default user, who needs no password.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from app.storage.embedded import find_server
from tests.certificates import Certificates, make_certificates
from tests.redis_server import LOCALE, rules_for

HOST = "127.0.0.1"
SERVICE = "pulpo-queues"
START_SECONDS = 20.0
FAILURE_MS = 1000  # how long a node is silent before the others call it down
SLOTS = 16384
PRIMARIES, REPLICAS_EACH = 3, 1


@dataclass(frozen=True)
class Options:
    """What the nodes of a topology have in common."""

    fsync: str = "everysec"
    tls: bool = False
    program: str | None = None
    password: str = "a: p@ss/wörd,?#"  # of the user `pulpo`; all that a URL must write otherwise
    more: Sequence[str] = ()  # lines of configuration
    behind: Callable[[int], int] | None = None  # opens a proxy at a server's port; says where itself shall listen


class Node:
    """A process that keeps its port, its files and its configuration when it is started again."""

    def __init__(self, directory: Path, *, program: str, port: int, configuration: Iterable[str], kind: str) -> None:
        self.directory = directory
        self.port = port
        self.kind = kind
        self.process: subprocess.Popen[bytes] | None = None
        self.is_frozen = False
        self._program = program
        self._certificates: Certificates | None = None
        self._file = directory / "server.conf"
        directory.mkdir(mode=0o700)
        self._file.write_text("\n".join(configuration) + "\n", encoding="utf-8")

    def __repr__(self) -> str:
        return f"{self.kind} {self.port}"

    def start(self) -> None:
        """Starts it, or starts it again with what it has written; `wait` says when it answers."""
        command = [self._program, str(self._file), *(["--sentinel"] if self.kind == "sentinel" else [])]
        environ = os.environ | {"LC_ALL": LOCALE}
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, start_new_session=True)

    def wait(self) -> None:
        """Returns once it answers. Raises `RuntimeError` with its log if it does not."""
        try:
            until(self.answers)
        except AssertionError:
            log = self.directory / "log"
            raise RuntimeError(f"{self} did not start: {log.read_text() if log.exists() else 'no log'}") from None

    def answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.ask("PING"))
        return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def runs(self) -> bool:
        """Whether it is there, though it may be frozen."""
        return self.process is not None and self.process.poll() is None

    @property
    def is_awake(self) -> bool:
        return self.runs and not self.is_frozen

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.is_frozen = False
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """SIGSTOP: it takes connections and answers nothing."""
        self.is_frozen = True
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)
        self.is_frozen = False

    def restart(self) -> None:
        """Starts it again after `kill`, and waits for it."""
        self.start()
        self.wait()

    def client(self, **options: Any) -> Redis:
        """A client of this one process, of the default user; asks once."""
        defaults: dict[str, Any] = {"socket_timeout": 3.0, "socket_connect_timeout": 1.0, "retry": None}
        if self._certificates is not None:
            defaults |= {"ssl": True, "ssl_ca_certs": str(self._certificates.authority)}
        return Redis(HOST, self.port, **(defaults | options))

    def ask(self, *command: Any) -> Any:
        """What it answers to one command, as it came."""
        with self.client() as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def info(self, section: str) -> Mapping[str, Any]:
        with self.client() as client:
            return dict(client.info(section))

    def is_linked(self) -> bool:
        """Whether it is a replica that follows its primary; a primary is never."""
        return self.info("replication").get("master_link_status") == "up"

    def denied(self) -> list[str]:
        """What the user `pulpo` was not allowed to do here, though it tried."""
        with self.client() as client:
            entries = client.acl_log()
        return [f"{entry['reason']}: {entry['object']}" for entry in entries if entry["username"] == "pulpo"]


class Topology(ABC):
    """Processes that are started and stopped together; a context that leaves nothing."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.directory = Path(tempfile.mkdtemp(prefix="pulpo-nodes-"))
        self.certificates = make_certificates(self.directory) if options.tls else None
        self.password = options.password
        self.program = options.program or os.environ.get("REDIS_SERVER") or find_server()
        self.processes: list[Node] = []
        self.url = ""

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait()
            self._join()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for node in self.processes:
            if node.runs:
                node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)  # it may have been closed before

    @property
    def nodes(self) -> list[Node]:
        """All that keep data."""
        return [node for node in self.processes if node.kind == "redis"]

    def denied(self) -> list[str]:
        """What the user `pulpo` was not allowed to do anywhere, though it tried."""
        return [what for node in self.processes if node.is_awake for what in node.denied()]

    @abstractmethod
    def primaries(self) -> list[Node]:
        """The nodes that take writes."""

    def empty(self) -> None:
        """Removes all that was written."""
        for node in self.primaries():
            node.ask("FLUSHALL")

    def heal(self) -> None:
        """Wakes and starts whatever does not run, and returns once all is as at the beginning."""
        for node in self.processes:
            if node.runs:
                node.thaw()
            else:
                node.start()
        for node in self.processes:
            node.wait()
        self._mend()
        until(self._is_whole)

    @abstractmethod
    def _mend(self) -> None:
        """Shortens what would come by itself."""

    @abstractmethod
    def _join(self) -> None: ...

    @abstractmethod
    def _is_whole(self) -> bool: ...

    def _credentials(self) -> str:
        return f"pulpo:{quote(self.password, safe='')}@"

    def _tls_query(self, start: str = "?") -> str:
        return f"{start}ssl_ca_certs={quote(str(self.certificates.authority))}" if self.certificates else ""

    def _add(self, port: int, configuration: Iterable[str], kind: str = "redis") -> Node:
        directory = self.directory / f"{kind}-{port}"
        lines = [f"dir {directory}", f'logfile "{directory / "log"}"', f"bind {HOST}", "protected-mode no"]
        own = port
        if self.options.behind is not None and kind == "redis":
            own = self.options.behind(port)
            lines += [f"replica-announce-port {port}", f"cluster-announce-port {port}"]
        if self.certificates is None:
            lines += [f"port {own}"]
        else:
            lines += ["port 0", f"tls-port {own}", *self.certificates.configuration]
        node = Node(directory, program=self.program, port=port, configuration=[*lines, *configuration], kind=kind)
        node._certificates = self.certificates
        self.processes.append(node)
        return node

    def _data_configuration(self) -> list[str]:
        rules = " ".join(rules_for(self.program))
        return [
            "user default on nopass sanitize-payload ~* &* +@all",
            f"user pulpo on #{_sha256(self.password)} {rules}",
            "appendonly yes",
            f"appendfsync {self.options.fsync}",
            'save ""',
            "maxmemory-policy noeviction",
            "repl-diskless-sync-delay 0",
            "repl-ping-replica-period 1",
            "loglevel notice",
            *self.options.more,
        ]


class SentinelSet(Topology):
    """One primary, two replicas and three sentinels that watch over them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Options(**options))
        ports = free_ports(6)
        for port in ports[:3]:
            follows = [] if port == ports[0] else [f"replicaof {HOST} {ports[0]}"]
            self._add(port, [*self._data_configuration(), *follows])
        self.sentinel_password = secrets.token_hex(8)
        for port in ports[3:]:
            self._add(port, self._sentinel_configuration(ports[0]), kind="sentinel")
        hosts = ",".join(f"{HOST}:{port}" for port in ports[3:])
        own = f"?sentinel_username=pulpo&sentinel_password={self.sentinel_password}"
        scheme = "rediss+sentinel" if self.certificates else "redis+sentinel"
        self.url = f"{scheme}://{self._credentials()}{hosts}/{SERVICE}/0{own}{self._tls_query('&')}"

    @property
    def sentinels(self) -> list[Node]:
        return [node for node in self.processes if node.kind == "sentinel"]

    def primary(self) -> Node:
        """The node that takes writes, as the sentinels that run tell."""
        for sentinel in self.sentinels:
            if not sentinel.is_awake:
                continue
            with suppress(RedisError):
                _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                return next(node for node in self.nodes if node.port == int(port))
        raise AssertionError("no sentinel answers")

    def primaries(self) -> list[Node]:
        return [self.primary()]

    def replicas(self) -> list[Node]:
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    def _sentinel_configuration(self, primary_port: int) -> list[str]:
        return [
            "user default on nopass sanitize-payload ~* &* +@all",
            f"user pulpo on #{_sha256(self.sentinel_password)} -@all +sentinel|masters +ping +client|setname"
            + (" +client|setinfo" if "+client|setinfo" in rules_for(self.program) else ""),
            f"sentinel monitor {SERVICE} {HOST} {primary_port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {FAILURE_MS}",
            f"sentinel failover-timeout {SERVICE} 5000",
            f"sentinel parallel-syncs {SERVICE} 1",
        ]

    def _join(self) -> None:
        until(lambda: sum(node.is_linked() for node in self.nodes) == 2)
        # Sentinels ask a primary each 10 s who its replicas are, so they must be there before.
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            sentinel.wait()
        until(self._is_whole)

    def _mend(self) -> None:
        primary = self.primary()  # sentinels wait 8 s before they tell one that was it that it is not
        for node in self.nodes:
            if node is not primary and node.info("replication")["role"] == "master":
                node.ask("REPLICAOF", HOST, primary.port)

    def _is_whole(self) -> bool:
        try:
            told = [_watched_by(sentinel) for sentinel in self.sentinels]
            return (
                all(each["num-slaves"] == 2 and each["num-other-sentinels"] == 2 for each in told)
                and all(each["flags"] == "master" for each in told)
                and len({each["port"] for each in told}) == 1
                and all(replica.is_linked() for replica in self.replicas())
                and self.primary().info("replication")["connected_slaves"] == 2
            )
        except (RedisError, KeyError):
            return False


class Cluster(Topology):
    """Three primaries, each with a third of the slots and a replica."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Options(**options))
        count = PRIMARIES * (1 + REPLICAS_EACH)
        ports = free_ports(2 * count)
        for port, bus in zip(ports[:count], ports[count:], strict=True):
            self._add(
                port,
                [
                    *self._data_configuration(),
                    "cluster-enabled yes",
                    f"cluster-port {bus}",
                    f"cluster-node-timeout {FAILURE_MS}",
                    "cluster-replica-validity-factor 0",
                    "cluster-allow-replica-migration no",
                ],
            )
        self._bus = dict(zip(ports[:count], ports[count:], strict=True))
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes[:PRIMARIES])
        scheme = "rediss+cluster" if self.certificates else "redis+cluster"
        self.url = f"{scheme}://{self._credentials()}{hosts}{self._tls_query()}"

    def _mend(self) -> None:
        """Nothing: its servers settle it among themselves."""

    def primaries(self) -> list[Node]:
        """The nodes that have slots, as most of those that run tell."""
        return [self.node(port) for port in sorted({port for _, _, port in self._ranges()})]

    def replica_of(self, primary: Node) -> Node:
        """The node that would take over."""
        for _, _, port, *replicas in self._told():
            if port == primary.port and replicas:
                return self.node(replicas[0])
        raise AssertionError(f"{primary} has no replica")

    def primary_of(self, queue: str) -> Node:
        """The node that takes writes of `queue`, as the nodes that run tell."""
        return self.owner(slot_of(queue))

    def owner(self, slot: int) -> Node:
        """The node that has `slot`."""
        return next(self.node(port) for first, last, port in self._ranges() if first <= slot <= last)

    def node(self, port: int) -> Node:
        return next(node for node in self.nodes if node.port == port)

    def begin_move(self, slot: int, target: Node) -> None:
        """From now on keys of `slot` that are not there are asked for at `target` (ASK), and some of several: TRYAGAIN.

        `move_keys` moves what is there, `end_move` makes `target` the owner.
        """
        source = self.owner(slot)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", _id(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", _id(target))

    def move_keys(self, slot: int, target: Node, *, limit: int | None = None) -> int:
        """Moves up to `limit` keys of `slot` to `target`; how many went."""
        source, moved = self.owner(slot), 0
        while limit is None or moved < limit:
            keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100 if limit is None else limit - moved)
            if not keys:
                break
            source.ask("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
        return moved

    def end_move(self, slot: int, target: Node) -> None:
        """Makes `target` the owner of `slot`, and tells everybody."""
        identity = _id(target)
        source = self.owner(slot)
        for node in (target, source, *self.primaries()):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", identity)

    def _ranges(self) -> list[tuple[int, int, int]]:
        return [(first, last, port) for first, last, port, *_ in self._told()]

    def _told(self) -> list[tuple[int, ...]]:
        """First slot, last slot, the primary's port and those of its replicas, of the node that knows the newest."""
        asked = {node: _epoch(node) for node in self.nodes if node.is_awake}
        newest = max(asked, key=lambda node: asked[node])
        return [
            (int(first), int(last), *(int(each[1]) for each in members)) for first, last, *members in _slots(newest)
        ]

    def _join(self) -> None:
        nodes = self.nodes
        for number, node in enumerate(nodes, 1):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number)
        for number, node in enumerate(nodes[:PRIMARIES]):
            first, last = SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", HOST, node.port, self._bus[node.port])
        until(lambda: all(self._knows_all(node) for node in nodes))
        for number, node in enumerate(nodes[PRIMARIES:]):
            node.ask("CLUSTER", "REPLICATE", _id(nodes[number % PRIMARIES]))
        until(self._is_whole)

    def _knows_all(self, node: Node) -> bool:
        return f"cluster_known_nodes:{len(self.nodes)}" in _told_by(node)

    def _is_whole(self) -> bool:
        try:
            for node in self.nodes:
                told = [len(members) for _, _, *members in _slots(node)]
                if not _is_ok(node) or set(told) != {1 + REPLICAS_EACH}:
                    return False
            return sum(node.is_linked() for node in self.nodes) == PRIMARIES * REPLICAS_EACH
        except RedisError:
            return False


def slot_of(queue: str) -> int:
    """The slot of all keys of `queue`."""
    return key_slot(queue.encode())


def tls_program() -> str | None:
    """A server that speaks TLS: `REDIS_SERVER`, `REDIS_TLS_SERVER` or one of the PATH; the wheel's does not."""
    named = [os.environ.get("REDIS_SERVER"), os.environ.get("REDIS_TLS_SERVER")]
    for program in (*named, shutil.which("redis-server"), shutil.which("valkey-server")):
        if program is not None:
            # It ends at once, one way or the other: there is no certificate.
            told = subprocess.run(
                [program, "--tls-port", "1", "--port", "0"], check=False, capture_output=True, text=True, timeout=10
            )
            if "Bad directive" not in told.stdout + told.stderr:
                return program
    return None


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, below those that the system gives to clients."""
    found: list[int] = []
    with _Held() as held:
        while len(found) < count:
            port = random.randrange(20_000, 32_000)
            with suppress(OSError):
                held.bind(port)
                found.append(port)
    return found


def until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.02)


class _Held:
    """Sockets that keep ports until all are found."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def bind(self, port: int) -> None:
        taken = socket.socket()
        self._sockets.append(taken)
        taken.bind((HOST, port))

    def __exit__(self, *_: object) -> None:
        for taken in self._sockets:
            taken.close()


def _watched_by(sentinel: Node) -> dict[str, Any]:
    with sentinel.client() as client:
        return dict(client.sentinel_masters()[SERVICE])


def _told_by(node: Node) -> str:
    told: bytes = node.ask("CLUSTER", "INFO")
    return told.decode()


def _epoch(node: Node) -> int:
    found = re.search(r"cluster_current_epoch:(\d+)", _told_by(node))
    assert found is not None
    return int(found[1])


def _is_ok(node: Node) -> bool:
    return "cluster_state:ok" in _told_by(node)


def _slots(node: Node) -> list[list[Any]]:
    """First slot, last slot, and the members that have them, the primary first."""
    return list(node.ask("CLUSTER", "SLOTS"))


def _id(node: Node) -> str:
    identity: bytes = node.ask("CLUSTER", "MYID")
    return identity.decode()


def _sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
