"""Where a run was over time, for the plot of its report and for its rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_provider_jicoo.bulk.documents import TimelineSample

SAMPLES = 600
"""How many samples over time are kept; when there are more, every second one goes."""
LATELY = 15.0
"""Seconds that the rate of a run is measured over."""


@dataclass(slots=True)
class Sample:
    """Where a run was at one moment: totals so far, and the pace then (None while nothing limits it)."""

    at: float
    done: int
    requests: int
    refused: int
    pace: float | None


class Timeline:
    """Samples of a run over time, evenly spread, as many as a plot can show."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._gap = 0.0
        self._lately: list[tuple[float, int]] = []
        self.begun = datetime.now(timezone.utc)

    def sample(self, now: float, done: int, requests: int, refused: int, pace: float | None) -> None:
        """Take a sample.

        :param now: a monotonic clock, in seconds.
        """
        self._lately = [each for each in self._lately if each[0] >= now - LATELY] + [(now, done)]
        if self.samples and now - self.samples[-1].at < self._gap:
            return
        self.samples.append(Sample(now, done, requests, refused, pace))
        if len(self.samples) > SAMPLES:
            self.samples = self.samples[::2]
            # A little shorter than the spacing of the samples that remain, so that an early tick still counts.
            self._gap = 0.95 * (self.samples[-1].at - self.samples[0].at) / (len(self.samples) - 1)

    def rate(self, now: float, done: int) -> float:
        """Return changes per second lately.

        :param now: as of :meth:`sample`.
        :param done: how many changes are done now. That of the last sample will not do: at the beginning, when most
            changes since the first one came after the last one, it is far too few.
        """
        if not self._lately:
            return 0.0
        first, before = self._lately[0]
        return (done - before) / (now - first) if now > first else 0.0

    def json(self) -> list[TimelineSample]:
        """Return the samples with the seconds since the first."""
        return [
            {
                "seconds": round(sample.at - self.samples[0].at, 2),
                "done": sample.done,
                "requests": sample.requests,
                "refused": sample.refused,
                "pace": None if sample.pace is None else round(sample.pace, 2),
            }
            for sample in self.samples
        ]
