"""The simulation finds each fault that is planted in the engine, within the schedules of ``make test``."""

from __future__ import annotations

import pytest

from tests.simulation import scenario, simulation
from tests.simulation.planted import FAULTS

MOST = 3_000
pytestmark = pytest.mark.proof


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


def test_a_failure_is_made_small_and_replayed_by_its_token():
    (fault,) = (fault for fault in FAULTS if fault.name == "a 504 is tried again")
    with fault.planted():
        seed = next(seed for seed in range(MOST) if simulation.run(seed).problem)
        kept = simulation.shrink(seed)
        same_seed, same_kept = simulation.read_token(simulation.token(seed, kept))

        assert len(kept) < len(scenario.draw(seed).parts())
        assert simulation.run(same_seed, same_kept).problem == simulation.run(seed, kept).problem != ""
        assert all(not simulation.run(seed, [each for each in kept if each != gone]).problem for gone in kept)
