"""What PULPO_REDIS_URL may be, and that a fault of it shows nothing of the password."""

from __future__ import annotations

import pytest

from app.redis_url import Address, parse_redis_url
from app.settings import InvalidSettings, Settings

SECRET = {"PULPO_SECRET": "x" * 32}


def test_sentinels_are_named_with_the_service_and_the_database() -> None:
    told = parse_redis_url("redis+sentinel://ann:p%40ss@a:1,b,[::1]:3/the-queues/2?sentinel_password=other")
    assert (told.topology, told.service, told.sentinel_password) == ("sentinel", "the-queues", "other")
    assert told.addresses == (Address("a", 1), Address("b", 26379), Address("::1", 3))
    assert told.one_server == "redis://ann:p%40ss@a:1/2?"


def test_a_cluster_is_named_by_some_of_its_servers() -> None:
    told = parse_redis_url("rediss+cluster://a:1,b/0?ssl_cert_reqs=none")
    assert (told.topology, told.addresses) == ("cluster", (Address("a", 1), Address("b", 6379)))
    assert told.one_server == "rediss://a:1/0?ssl_cert_reqs=none"


@pytest.mark.parametrize(
    "rest",
    [
        "sentinel://ann:hunter2@a:1,b:2",  # no service
        "sentinel://ann:hunter2@a:1/x/y",
        "sentinel://ann:hunter2@a:99999/x",
        "sentinel://ann:hunter2@a:0/x",
        "sentinel://ann:hunter2/x@a:1/x",
        "sentinel://ann:hunter2@a:1/x?ssl_ca_certs=/x",  # no TLS
        "cluster://ann:hunter2@",
        "cluster://ann:hunter2@a:1,,b:2",
        "cluster://ann:hunter2@a:1/1",
        "cluster://ann:hunter2?x@a:1",
        "cluster://ann:hunter2#x@a:1",
        "cluster://ann:hunter2@x@a:1",
        "cluster://ann:hunter2@a:1?sentinel_password=x",
        "proxy://ann:hunter2@a:1",
    ],
)
def test_a_fault_is_told_at_start_without_the_password(rest: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        Settings.from_env(SECRET | {"PULPO_REDIS_URL": f"redis+{rest}"})
    assert "PULPO_REDIS_URL: " in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_for_tls_that_is_not_there_is_told_at_start() -> None:
    with pytest.raises(InvalidSettings, match="ssl_ca_certs names no file"):
        Settings.from_env(SECRET | {"PULPO_REDIS_URL": "rediss+cluster://a:1?ssl_ca_certs=/nowhere/at/all"})


def test_nothing_that_is_secret_is_in_the_repr() -> None:
    told = parse_redis_url("redis+sentinel://ann:hunter2@a:1/x?sentinel_password=hunter3")
    assert "hunter" not in repr(told)


@pytest.mark.parametrize(
    ("url", "replicas"),
    [("redis://a", 0), ("redis+sentinel://a/x", 1), ("redis+cluster://a", 1)],
)
def test_a_durable_push_waits_for_a_replica_where_one_takes_over_by_itself(url: str, replicas: int) -> None:
    environ = SECRET | {"PULPO_REDIS_URL": url}
    assert Settings.from_env(environ).replicas_of_durable == replicas
    assert Settings.from_env(environ | {"PULPO_DURABLE_REPLICAS": "3"}).replicas_of_durable == 3
