"""The simulation finds each fault that is planted in the engine, within the schedules of ``make test``."""

from __future__ import annotations

import logging

import pytest

from tests.simulation import simulation
from tests.simulation.planted import FAULTS

MOST = 3_000


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_planted_fault_is_found(fault):
    with fault.planted():
        for seed in range(MOST):
            problem = simulation.run(seed).problem
            if problem:
                break

    assert problem, f"not found in {MOST:,} schedules"
    assert not simulation.run(seed).problem, "it is there without the fault"
    print(f"{fault.name}: found after {seed + 1:,} schedules: {problem}")
