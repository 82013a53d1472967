"""Signals at any moment of a stage: the workspace is as before, or as after, and every stage goes on from there."""

from __future__ import annotations

import random
import signal

import pytest
from faults.bench import Bench
from faults.kills import FOLLOWED, check_kill, run_through

pytestmark = [pytest.mark.model, pytest.mark.slow]

TRIED = {"download": 4, "preprocess": 4, "labels": 6, "train": 3, "predict": 3}
"""Stage -> moments that are tried, by chance."""


@pytest.mark.parametrize("call", TRIED)
def test_a_kill_leaves_the_old_or_the_new_files(call: str, bench: Bench) -> None:
    chance, run = random.Random(0), run_through(bench, call)
    for at in chance.sample(range(1, run.moments + 1), TRIED[call]):
        check_kill(bench, run, at, then=chance.choice([call, "", *FOLLOWED]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_files_are_published_leaves_the_old_or_the_new_ones(number: int, bench: Bench) -> None:
    run = run_through(bench, "labels", place="/.commit")
    for at in range(1, run.moments + 1):
        check_kill(bench, run, at, number, "/.commit")
