"""Draws faults by a seed, strikes, holds, heals, and measures how long it takes until everything works again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import psutil

from tests.chaos.record import UNASKED, History, Span
from tests.chaos.sites import OnSentinel, OnTopology, Site, Standalone
from tests.service import SERVER, Service, wait_until
from tests.topologies import Node

CALM_SECONDS = (0.3, 1.0)
SHORT_HOLD, LONG_HOLD = (0.3, 1.2), (0.5, 2.5)
PAUSE_HOLD = (0.2, 0.7)  # shorter than what sentinels and nodes take for death
CLOCK_SECONDS = 1.2  # until a process reads that its clock was moved
HOUR = 3600
TOO_LITTLE_MEMORY = "1mb"
DELAYS_SECONDS = (0.05, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Wound:
    """A fault that was done: to whom, and how it ends."""

    victim: str
    heal: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: how it is done, for how long it holds (least and most seconds).

    Without `hold` it lasts until everything works again in spite of it, and a little longer.
    """

    kind: str
    strike: Callable[[random.Random], Wound]
    hold: tuple[float, float] | None = None
    can_roll_back: bool = False


def torment(
    site: Site, history: History, *, faults: int, seed: int, only: Sequence[str], say: Callable[[str], None]
) -> None:
    """Does `faults` faults, one at a time, and appends their spans. Raises `AssertionError` if one is not got over."""
    chance = random.Random(seed)
    kinds = [fault for fault in faults_of(site) if not only or fault.kind in only]
    known, since = site.reign(), time.monotonic()
    for fault in islice(deck(kinds, chance), faults):
        time.sleep(chance.uniform(*CALM_SECONDS))
        before = site.reign()
        span = _strike(site, fault, chance)
        history.spans.append(span)
        after_it = site.reign()
        if before != known or (after_it != before and not span.can_roll_back):
            history.spans.append(_unasked(since, span.whole))
            say(f"{UNASKED}: another primary, though nothing was done to the one before")
        known, since = after_it, span.whole
        after = "the fault" if span.was_got_over else "its end"
        held = span.healed - span.injected
        say(f"{span.kind:14} {span.victim:24} held {held:4.1f} s, works {span.seconds_to_recover:4.1f} s after {after}")


def _unasked(since: float, until: float) -> Span:
    """A busy machine keeps a primary from answering, too."""
    return Span(UNASKED, "", since, until, until, 0.0, was_got_over=False, can_roll_back=True)


def _strike(site: Site, fault: Fault, chance: random.Random) -> Span:
    hold = chance.uniform(*(fault.hold or CALM_SECONDS))
    injected = time.monotonic()
    wound = fault.strike(chance)
    struck = time.monotonic()
    recovered = site.wait_until_it_works(in_spite=True) if fault.hold is None else None
    time.sleep(hold)
    healed = time.monotonic()
    wound.heal()
    works = site.wait_until_it_works()
    since, recovered = (healed, works) if recovered is None else (struck, recovered)
    site.mend()
    return Span(
        kind=fault.kind,
        victim=wound.victim,
        injected=injected,
        healed=healed,
        seconds_to_recover=recovered - since,
        was_got_over=fault.hold is None,
        whole=time.monotonic(),
        can_roll_back=fault.can_roll_back and site.is_replicated,
    )


def deck(kinds: Sequence[Fault], chance: random.Random) -> Iterator[Fault]:
    """Each kind once in an order that is drawn, then all of them again."""
    while True:
        yield from chance.sample(kinds, len(kinds))


def faults_of(site: Site) -> list[Fault]:
    """All that can be done to `site`."""
    found = [
        Fault("kill worker", lambda chance: _kill_worker(chance.choice(site.nodes))),
        Fault("stop worker", lambda chance: _stop([chance.choice(_workers(chance.choice(site.nodes)))]), LONG_HOLD),
        Fault("kill node", lambda chance: _kill_node(chance.choice(site.nodes)), SHORT_HOLD),
        Fault("stop node", lambda chance: _stop(_server_of(chance.choice(site.nodes))), LONG_HOLD),
        Fault("full memory", lambda _: _fill_memory(site), LONG_HOLD),
        Fault("restart all", lambda _: _end_everything(site), SHORT_HOLD, can_roll_back=True),
    ]
    if site.can_move_clocks():
        found.append(Fault("move clock", lambda chance: _move_clock(site, chance.choice((-HOUR, HOUR)))))
    else:
        print("no clock will be moved: apt-get install faketime", flush=True)
    if isinstance(site, Standalone):
        found += _standalone_faults(site)
    if isinstance(site, OnTopology):
        found += _topology_faults(site)
    if isinstance(site, OnSentinel):
        sentinels = site.topology.sentinels
        found += [
            Fault("kill sentinel", lambda chance: _kill(chance.choice(sentinels))),
            Fault("stop sentinel", lambda chance: _freeze(chance.choice(sentinels))),
        ]
    return found


def _standalone_faults(site: Standalone) -> list[Fault]:
    def kill(_: random.Random) -> Wound:
        redis = site.nodes[0].redis()
        redis.kill()
        return Wound("redis", lambda: None)  # its keeper starts it again

    return [
        Fault("kill primary", kill),
        Fault("stop primary", lambda _: _stop([site.nodes[0].redis()]), LONG_HOLD),
        Fault("cut", lambda chance: _cut(site, site.door, chance), LONG_HOLD),
        Fault("delay", lambda chance: _delay(site, site.door, chance), LONG_HOLD),
    ]


def _topology_faults(site: OnTopology) -> list[Fault]:
    def primary(chance: random.Random) -> Node:
        return chance.choice(site.primary_nodes())

    def replica(chance: random.Random) -> Node:
        return chance.choice(site.replica_nodes())

    def cut(chance: random.Random) -> Wound:
        node = primary(chance)
        wound = _cut(site, node.port, chance)
        node.is_frozen = True  # it answers nobody, the harness neither

        def heal() -> None:
            wound.heal()
            node.is_frozen = False

        return Wound(f"{node}, {wound.victim}", heal)

    # A Cluster's nodes hear each other past the proxies, so there a cut is no reason to put another in its place.
    cut_holds = None if isinstance(site, OnSentinel) else LONG_HOLD
    return [
        Fault("kill primary", lambda chance: _kill(primary(chance)), can_roll_back=True),
        Fault("stop primary", lambda chance: _freeze(primary(chance)), can_roll_back=True),
        Fault("pause primary", lambda chance: _freeze(primary(chance)), PAUSE_HOLD, can_roll_back=True),
        Fault("kill replica", lambda chance: _kill(replica(chance)), SHORT_HOLD),
        Fault("stop replica", lambda chance: _freeze(replica(chance)), LONG_HOLD),
        Fault("cut", cut, cut_holds, can_roll_back=True),
        Fault("delay", lambda chance: _delay(site, primary(chance).port, chance), LONG_HOLD, can_roll_back=True),
    ]


def _kill(node: Node) -> Wound:
    node.kill()
    return Wound(str(node), node.start)


def _freeze(node: Node) -> Wound:
    node.freeze()
    return Wound(str(node), node.thaw)


def _cut(site: Site, port: int, chance: random.Random) -> Wound:
    how = chance.choice(("reset", "silence"))
    site.proxies.cut(port, how)
    return Wound(how, lambda: site.proxies.heal(port))


def _delay(site: Site, port: int, chance: random.Random) -> Wound:
    seconds = chance.choice(DELAYS_SECONDS)
    site.proxies.delay(port, seconds)
    return Wound(f"{seconds * 1000:.0f} ms each way", lambda: site.proxies.heal(port))


def _kill_worker(node: Service) -> Wound:
    before = _workers(node)
    before[0].kill()
    return Wound(_name_of(node), lambda: wait_until(lambda: len(_workers(node)) == len(before)))


def _kill_node(node: Service) -> Wound:
    """The server only: an embedded Redis is stopped by its keeper."""
    for process in _server_of(node):
        process.kill()
    return Wound(_name_of(node), node.start)


def _stop(processes: Sequence[psutil.Process]) -> Wound:
    for process in processes:
        process.suspend()

    def go_on() -> None:
        for process in processes:
            process.resume()

    return Wound(f"{len(processes)} process{'es' if len(processes) > 1 else ''}", go_on)


def _fill_memory(site: Site) -> Wound:
    def limit(size: str) -> None:
        for client in site.primaries():
            with client:
                client.config_set("maxmemory", size)

    limit(TOO_LITTLE_MEMORY)
    return Wound("all primaries", lambda: limit("0"))


def _move_clock(site: Site, seconds: int) -> Wound:
    site.clock.write_text(f"{seconds:+d}")
    time.sleep(CLOCK_SECONDS)
    return Wound(f"{seconds:+d} s", lambda: site.clock.write_text("+0"))


def _end_everything(site: Site) -> Wound:
    for node in site.nodes:
        node.kill()
    site.stop_store()

    def start() -> None:
        site.start_store()
        for node in site.nodes:
            node.start()

    return Wound("everything", start)


def _workers(node: Service) -> list[psutil.Process]:
    """The processes of the server that answer requests."""
    assert node.process is not None
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(node.process.pid).children()
        return sorted((child for child in children if SERVER in _command(child)), key=lambda child: child.pid)
    return []


def _server_of(node: Service) -> list[psutil.Process]:
    assert node.process is not None
    return [psutil.Process(node.process.pid), *_workers(node)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _name_of(node: Service) -> str:
    return node.directory.name
