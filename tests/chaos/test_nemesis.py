"""Every kind of fault is there on every site where it can be, and a run has each of them before any comes again."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.chaos.nemesis import deck, faults_of
from tests.chaos.proxy import Proxies
from tests.chaos.sites import SITES

EVERYWHERE = {
    *("kill primary", "stop primary", "kill worker", "stop worker", "kill node", "stop node"),
    *("cut", "delay", "full memory", "move clock", "restart all"),
}
ALSO = {
    "standalone": set[str](),
    "sentinel": {"pause primary", "kill replica", "stop replica", "kill sentinel", "stop sentinel"},
    "cluster": {"pause primary", "kill replica", "stop replica"},
}


@pytest.mark.parametrize("name", SITES)
def test_a_site_is_struck_by_every_kind_of_fault(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SITES[name], "can_move_clocks", lambda _: True)
    with Proxies() as proxies:
        site = SITES[name](tmp_path, proxies)
        kinds = faults_of(site)
        site.close()
    assert {fault.kind for fault in kinds} == EVERYWHERE | ALSO[name]
    drawn = list(islice(deck(kinds, random.Random(1)), len(kinds)))
    assert {fault.kind for fault in drawn} == EVERYWHERE | ALSO[name]
