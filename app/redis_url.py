"""What PULPO_REDIS_URL may be: one server, a Sentinel set or a Cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

Topology = Literal["standalone", "sentinel", "cluster"]

STANDALONE = {"redis", "rediss", "unix"}
SEVERAL: dict[str, tuple[Topology, str]] = {
    "redis+sentinel": ("sentinel", "redis"),
    "rediss+sentinel": ("sentinel", "rediss"),
    "redis+cluster": ("cluster", "redis"),
    "rediss+cluster": ("cluster", "rediss"),
}
DEFAULT_PORTS: dict[Topology, int] = {"sentinel": 26379, "cluster": 6379}
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TLS_OPTIONS = {*TLS_FILES, "ssl_cert_reqs", "ssl_check_hostname"}
SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?")
SERVICE_AND_DATABASE = re.compile(r"/(?P<service>[A-Za-z0-9._-]+)(/(?P<database>\d{1,5})?)?")

WHAT_IT_MAY_BE = (
    "must be redis://, rediss:// or unix://, or redis+sentinel:// or redis+cluster:// (with TLS rediss+…), with special"
    " characters of the password percent-encoded"
)


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True)
class RedisUrl:
    """`one_server` is the URL of any of the servers, as redis-py reads it; `addresses` are sentinels or nodes."""

    topology: Topology
    one_server: str = field(repr=False)
    addresses: tuple[Address, ...] = ()
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)


def parse_redis_url(url: str) -> RedisUrl:
    """What `url` says. Raises `ValueError` with a sentence that shows nothing of the password."""
    scheme, separator, rest = url.partition("://")
    if not separator or "#" in rest:
        raise ValueError(WHAT_IT_MAY_BE)
    if scheme in SEVERAL:
        return _several(scheme, rest)
    try:
        port = urlsplit(url).port
    except ValueError:  # its message would show a part of the password
        port = 0
    if scheme not in STANDALONE or port == 0:
        raise ValueError(WHAT_IT_MAY_BE)
    return RedisUrl("standalone", url)


def _several(scheme: str, rest: str) -> RedisUrl:
    topology, of_one = SEVERAL[scheme]
    before_query, _, query = rest.partition("?")
    authority, slash, path = before_query.partition("/")
    credentials, at, hosts = authority.rpartition("@")
    if "@" in credentials:
        raise ValueError(WHAT_IT_MAY_BE)
    addresses = tuple(_address(text, DEFAULT_PORTS[topology]) for text in hosts.split(","))
    service, database = _path(topology, slash + path)
    options = _options(topology, query, has_tls=of_one == "rediss")
    own = {name: options.pop(name, None) for name in SENTINEL_OPTIONS}
    return RedisUrl(
        topology,
        f"{of_one}://{credentials}{at}{hosts.split(',')[0]}/{database}?{urlencode(options)}",
        addresses,
        service,
        own["sentinel_username"],
        own["sentinel_password"],
    )


def _address(text: str, default_port: int) -> Address:
    match = HOST.fullmatch(text)
    port = int(match["port"] or default_port) if match else 0
    if match is None or not 1 <= port <= 65535:
        raise ValueError(
            "needs host:port,host:port,… after the password, whose special characters are percent-encoded; each port"
            " lies between 1 and 65535"
        )
    return Address(match["host"].strip("[]"), port)


def _path(topology: Topology, path: str) -> tuple[str, int]:
    """The service and the database that the path names."""
    if topology == "cluster":
        if path not in {"", "/", "/0"}:
            raise ValueError("a Cluster has the database 0 only; leave out what follows the hosts")
        return "", 0
    match = SERVICE_AND_DATABASE.fullmatch(path)
    if match is None:
        raise ValueError("needs the name under which the sentinels know the primary after the hosts: …/mymaster/0")
    return match["service"], int(match["database"] or 0)


def _options(topology: Topology, query: str, *, has_tls: bool) -> dict[str, str]:
    known = (TLS_OPTIONS if has_tls else set()) | (SENTINEL_OPTIONS if topology == "sentinel" else set())
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not options.keys() <= known:
        raise ValueError(
            f"takes no options after ? but {', '.join(sorted(known))}" if known else "takes no options after ?"
        )
    for name in TLS_FILES:
        if name in options and not Path(options[name]).is_file():
            raise ValueError(f"{name} names no file that can be seen")
    if options.get("ssl_cert_reqs", "required") not in {"none", "optional", "required"}:
        raise ValueError("ssl_cert_reqs must be none, optional or required")
    return options
