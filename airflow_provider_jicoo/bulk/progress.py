"""How far a run is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jicoo.bulk.outcomes import Outcome


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    :param total: planned changes.
    :param counts: outcomes so far, also those of earlier tries.
    :param rate: changes per second lately.
    :param remaining: seconds to go at that rate, or None.
    :param adjusted: how many of the applied ones Jicoo has stored with another value than was sent.
    :param sent_again: how often a request was sent again, or read back, in this try.
    :param paused: whether it is paused.
    :param timeline: samples over time of this try, each a ``TimelineSample``.
    """

    total: int
    counts: Mapping[str, int]
    rate: float
    remaining: float | None
    adjusted: int = 0
    sent_again: int = 0
    paused: bool = False
    timeline: Sequence[Any] = field(default=(), repr=False, compare=False)

    @property
    def done(self) -> int:
        """How many changes have an outcome."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        """Return it as a line of a log."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items()) or "nothing yet"
        adjusted = f"; {self.adjusted:,} of them adjusted by Jicoo" if self.adjusted else ""
        pace = "paused" if self.paused else f"{self.rate:.1f}/s"
        again = f", {self.sent_again:,} requests sent again" if self.sent_again else ""
        left = "" if self.remaining is None else f", {self.remaining:,.0f} s to go"
        return f"{self.done:,} of {self.total:,} done ({counts}{adjusted}), {pace}{again}{left}"


def named(counts: Mapping[Outcome, int]) -> dict[str, int]:
    """Return counts by the outcomes' names, in their order, without zeros."""
    return {outcome.value: counts[outcome] for outcome in Outcome if counts.get(outcome)}
