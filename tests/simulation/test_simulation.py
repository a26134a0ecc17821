"""Thousands of lives of the shipped engine, each another one: ``make test-load`` runs a hundred thousand.

A failure names a token that replays it exactly, with a log of what happened::

    JICOO_REPLAY=1099+2.7 pytest tests/simulation
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from airflow_provider_jicoo.bulk.outcomes import Outcome
from tests.simulation import jicoo, simulation

LOAD = bool(os.environ.get("JICOO_LOAD"))
REPLAY = os.environ.get("JICOO_REPLAY")
BLOCKS, EACH = (200, 500) if LOAD else (6, 500)
DISTURBANCES = ("kill", "power", "freeze", "jump", "full", "edit", "control", "stop", "start")


def told(seed, kept):
    """What happened in a schedule, and how to see it again."""
    log = []
    problem = simulation.run(seed, kept, log).problem
    lines = "\n".join(log[-120:])
    return f"{lines}\n\n{problem}\nJICOO_REPLAY={simulation.token(seed, kept)} pytest tests/simulation"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_promises_hold_in_each_schedule(block):
    seen, traces, steps = Counter(), set(), 0
    for seed in range(block * EACH, (block + 1) * EACH):
        done = simulation.run(seed)
        if done.problem:
            pytest.fail(told(seed, simulation.shrink(seed)), pytrace=False)
        seen += done.seen
        steps += done.steps
        traces.add(done.trace)

    assert len(traces) == EACH, "two schedules were the same"
    assert steps > 500 * EACH
    # It can find nothing in what does not happen.
    expected = {f"fault {name}" for name in {*jicoo.OF_READINGS, *jicoo.OF_CHANGES, "repeated"}}
    expected |= {f"disturbance {act}" for act in DISTURBANCES}
    expected |= {f"outcome {outcome.value}" for outcome in Outcome}
    assert expected | {"undo"} <= seen.keys()
    print(f"{EACH} schedules, {steps:,} steps")


def test_replay():
    seed, kept = simulation.read_token(REPLAY)
    log = []
    problem = simulation.run(seed, kept, log).problem
    print("\n".join(log))
    assert not problem, problem


def test_a_token_replays_the_same_steps():
    for seed in range(20):
        first, again = simulation.run(seed), simulation.run(seed)

        assert (first.trace, first.steps, first.seen) == (again.trace, again.steps, again.seen)
    assert simulation.read_token(simulation.token(7, [1, 12])) == (7, [1, 12])
    assert simulation.read_token(simulation.token(7, [])) == (7, [])
    assert simulation.read_token("7") == (7, None)
