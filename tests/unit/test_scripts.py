"""How a script reaches Redis; what scripts do is proven on a real server."""

from __future__ import annotations

from fakeredis import FakeStrictRedis

from app.storage.keys import QueueKeys
from app.storage.scripts import Script


def test_a_script_that_redis_has_not_seen_is_sent_whole_and_runs() -> None:
    client = FakeStrictRedis()
    keys = QueueKeys.of("pulpo", "orders").counted
    script = Script("count")
    assert script.run(client, keys, [1000, 0]) == [0, 0, 0, 0, 0, -1]
    client.script_flush()
    assert script.run(client, keys, [1000, 0]) == [0, 0, 0, 0, 0, -1]


def test_an_include_stands_for_the_text_of_its_file() -> None:
    source = Script("ack").source
    assert "--@include" not in source
    assert "local function held(" in source
