"""What the pace makes of a limit, simulated with virtual time over many seeds: python benchmarks/limits.py

Real workers are measured by ``bulk.py``; one run of these varies so much that a choice of constants needs many.

Two figures cannot be had by choosing constants. *Fair shares*: refusals are all that a worker is told of the others,
and of n it infers its share with an error of about 0.5 / sqrt(n). With 1 % of 20/s refused, each of four workers hears
ten in 200 s: 0.16, which leaves the slowest at some 0.7 of the fastest. What is better comes from the first minute, in
which more is refused. *1/s for four*: a bucket that holds a single token takes one request a second and nothing
earlier. Workers whose beats do not know of each other deliver L / (1 + L) of it when they offer L: for 0.9 they must
offer 9, of which nine tenths are refused. With five tokens the limit is used up.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.bulk.limits import Bucket, figures, simulate

SEEDS = range(12)


def row(name: str, rate: float, burst: float | None, workers: int, first: int, last: int, spread: float) -> str:
    runs = [
        figures(simulate(Bucket(rate, burst), workers, seed, end=last, spread=spread), first, last) for seed in SEEDS
    ]
    fair = sorted(run.fair for run in runs)
    return (
        f"{name}: delivered {statistics.mean(run.delivered for run in runs) / rate / (last - first):.3f} of the limit, "
        f"refused {100 * statistics.mean(run.refused for run in runs):.2f} %, the slowest beside the fastest "
        f"{statistics.median(fair):.2f} (worst of {len(runs)}: {fair[0]:.2f})"
    )


def main() -> None:
    for rate in (20, 100):
        for workers in (1, 4):
            print(row(f"{rate}/s, {workers} workers, settled", rate, None, workers, 60, 260, 1.0))
        print(row(f"{rate}/s, 4 workers that start within 15 s, settled", rate, None, 4, 60, 260, 15.0))
        print(row(f"{rate}/s, 4 workers, the first 20 s", rate, None, 4, 0, 20, 1.0))
    for burst in (1, 5):
        print(row(f"1/s, 4 workers, bucket of {burst}", 1, burst, 4, 60, 260, 1.0))


if __name__ == "__main__":
    main()
