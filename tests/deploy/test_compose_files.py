"""What the compose files name is there, and no file of theirs has a password in it."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, ip_address
from typing import Any

import pytest
import yaml

from tests.service import ROOT

FILES = sorted([ROOT / "docker-compose.yml", *ROOT.glob("compose.*.yml")])
SERVICES = [
    (path.name, name, service)
    for path in FILES
    for name, service in yaml.safe_load(path.read_text(encoding="utf-8"))["services"].items()
]
IMAGES = [each for each in SERVICES if "image" in each[2] or "build" in each[2]]


def read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return content


def names(services: list[tuple[str, str, dict[str, object]]]) -> list[str]:
    return [f"{file}:{name}" for file, name, _ in services]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=names(SERVICES))
def test_each_path_of_ours_that_is_mounted_is_there(file: str, name: str, service: dict[str, list[str]]) -> None:
    for volume in service.get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert rest.endswith(":ro")


@pytest.mark.parametrize(("file", "name", "service"), IMAGES, ids=names(IMAGES))
def test_each_service_can_do_no_more_than_it_needs(file: str, name: str, service: dict[str, object]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") or name == "grafana"  # it writes where it likes
    ports = service.get("ports", [])
    assert isinstance(ports, list)
    assert all(port.startswith("127.0.0.1:") for port in ports) or name == "nginx"


def test_redis_is_on_an_internal_network_and_has_no_port() -> None:
    compose = read("docker-compose.yml")
    redis = compose["services"]["redis"]
    assert redis["networks"] == ["store"]
    assert compose["networks"]["store"] == {"internal": True}
    assert "ports" not in redis


def test_the_address_of_nginx_is_given_to_no_other() -> None:
    """The others of its network may start first, and are given theirs from the range."""
    compose = read("compose.nginx.yml")
    (pool,) = compose["networks"]["edge"]["ipam"]["config"]
    address = ip_address(compose["services"]["nginx"]["networks"]["edge"]["ipv4_address"])
    assert address in IPv4Network(pool["subnet"])
    assert address not in IPv4Network(pool["ip_range"])
    assert IPv4Network(pool["ip_range"]).subnet_of(IPv4Network(pool["subnet"]))
    assert compose["services"]["api"]["environment"]["PULPO_TRUSTED_PROXIES"] == str(address)


def test_grafana_finds_the_dashboard_where_it_is_mounted() -> None:
    provider = yaml.safe_load((ROOT / "deploy/grafana/dashboards/pulpo.yml").read_text(encoding="utf-8"))["providers"][
        0
    ]
    monitoring = yaml.safe_load((ROOT / "compose.monitoring.yml").read_text(encoding="utf-8"))
    mounted = [volume.split(":")[1] for volume in monitoring["services"]["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/dashboard.json" in mounted


def test_no_default_stands_for_a_secret() -> None:
    for path in FILES:
        for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", path.read_text(encoding="utf-8")):
            assert default == "" or name == "SERVER_NAME"
