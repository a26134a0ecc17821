"""What the pace makes of a limit, simulated with virtual time over many seeds: python benchmarks/limits.py

Real workers are measured by ``bulk.py``; one run of these varies so much that a choice of constants needs many. The
seeds here are not those by which the constants of ``pace.py`` were chosen.

Two figures cannot be had by choosing constants.

*Fair shares.* Refusals are all that a worker is told of the others, and of n it infers its share with an error of about
0.5 / sqrt(n). At 100/s with 0.2 % refused each of four workers hears ten in 200 s: 0.16, which leaves the slowest at
0.7 to 0.8 of the fastest. To be refused as often there as at 20/s, the growth would have to rise with the square of the
pace, and then nothing brings the paces together. The same growth at any pace does: 0.2 requests/s each second makes
0.85 of 100/s, with 0.6 % refused, and has 4.5 % of 20/s refused.

*1/s for four.* Wanted are 0.9 of it with under 10 % refused; there are 0.55 with 42 % where the bucket holds a single
token, and 1.00 with 14 % where it holds five. A bucket of one takes one request a second and nothing earlier. Workers
whose beats do not know of each other deliver L / (1 + L) of it when they offer L, and have as large a part refused: for
0.9 they must offer 9. What would help is to try again a fraction of a second later and to keep the beat that was taken,
so that the workers lock behind one another; but when a refusal arrives, the next slot has been handed out already, a
whole period later. Were the turn held until the answer is there, some 0.7 with 25 % could be had in a simulation.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.bulk.limits import Ask, Bucket, FixedWindow, Limiter, SlidingWindow, figures, silent, simulate, whole

SEEDS = range(1000, 1012)


@dataclass(frozen=True)
class Job:
    """Workers under a limit, and between which seconds they are looked at."""

    name: str
    limiter: Callable[[], Limiter]
    workers: int
    first: int = 60
    last: int = 260
    spread: float = 1.0
    asks: Ask = silent

    def row(self) -> str:
        rate = self.limiter().rate
        runs = [
            figures(
                simulate(self.limiter(), self.workers, seed, end=self.last, spread=self.spread, asks=self.asks),
                self.first,
                self.last,
            )
            for seed in SEEDS
        ]
        delivered = [run.delivered / rate / (self.last - self.first) for run in runs]
        told = (
            f"{self.name}, {self.workers} worker{'s' if self.workers > 1 else ''}: delivered "
            f"{statistics.mean(delivered):.3f} of the limit (least {min(delivered):.3f}), "
            f"refused {100 * statistics.mean(run.refused for run in runs):.2f} %"
        )
        fair = sorted(run.fair for run in runs)
        if self.workers > 1:
            told += f", the slowest beside the fastest {statistics.median(fair):.2f} (least {fair[0]:.2f})"
        return told


def jobs() -> list[Job]:
    found = []
    for rate in (20, 100):
        bucket = lambda rate=rate: Bucket(rate)  # noqa: E731
        found += [Job(f"{rate}/s", bucket, workers) for workers in (1, 4)]
        found.append(Job(f"{rate}/s, started within 15 s", bucket, 4, spread=15.0))
        found.append(Job(f"{rate}/s, the first 20 s", bucket, 4, 0, 20))
    for burst in (1, 2, 5):
        found.append(Job(f"1/s, bucket of {burst}", lambda burst=burst: Bucket(1, burst), 4))
    found.append(Job("1/s, bucket of 1", lambda: Bucket(1, 1), 1))
    for workers in (1, 4):
        for window in (1, 10, 60):
            fixed = lambda window=window: FixedWindow(20, window)  # noqa: E731
            found.append(Job(f"20/s in fixed windows of {window} s", fixed, workers, 120, 420))
        for window in (10, 60):
            sliding = lambda window=window: SlidingWindow(20, window)  # noqa: E731
            found.append(Job(f"20/s in a sliding window of {window} s", sliding, workers, 120, 420))
        found.append(Job("the same, with Retry-After", lambda: SlidingWindow(20, 60), workers, 120, 420, asks=whole))
    return found


def main() -> None:
    for job in jobs():
        print(job.row(), flush=True)


if __name__ == "__main__":
    main()
