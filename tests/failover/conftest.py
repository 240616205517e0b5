"""Real topologies for the tests of this directory, and apps that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.settings import Secret, Settings
from tests.conftest import SECRET, MakeApp, client_of
from tests.topologies import Cluster, SentinelSet, Topology

On = Callable[[Topology], FlaskClient]


@pytest.fixture(scope="session")
def sentinel_set() -> Iterator[SentinelSet]:
    """Each write is on disk before its answer, so that durable pushes can be proven on every server."""
    with SentinelSet(fsync="always") as topology:
        yield topology
        assert topology.denied() == [], "deploy/redis/acl-rules lacks something"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster(fsync="always") as topology:
        yield topology
        assert topology.denied() == [], "deploy/redis/acl-rules lacks something"


@pytest.fixture(params=["sentinel_set", "cluster"])
def topology(request: pytest.FixtureRequest) -> Topology:
    """Each topology in turn, empty, with all of its processes."""
    topology: Topology = request.getfixturevalue(request.param)
    topology.heal()
    topology.empty()
    return topology


@pytest.fixture
def settings(tmp_path: Path, new_user_table: Callable[[Path], str]) -> Settings:
    """Those of an app whose Redis is named later."""
    return Settings(data_dir=tmp_path, secret=Secret(SECRET), database_url=Secret(new_user_table(tmp_path)))


@pytest.fixture
def on(settings: Settings, make_app: MakeApp) -> On:
    """Makes a caller with all permissions, of an app of its own on a topology."""
    return lambda topology: client_of(make_app(replace(settings, redis_url=Secret(topology.url))), "admin")
