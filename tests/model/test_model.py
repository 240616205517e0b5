"""The short form of `make model`, on the machine's own clock and whatever server the tests run against."""

from __future__ import annotations

import random

import pytest

from tests.model.machine import run
from tests.model.world import real_time

STEPS = 300


def test_a_queue_answers_and_holds_what_its_model_does(capsys: pytest.CaptureFixture[str]) -> None:
    seed_number = random.randrange(2**32)
    with real_time() as world:
        report = run(world, steps=STEPS, seed_number=seed_number, shrinks=False)
    with capsys.disabled():
        print(f"\nmodel: {report}, real time, seed {seed_number}")
    assert report.steps >= STEPS
