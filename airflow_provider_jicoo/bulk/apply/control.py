"""Pause, slow or stop an apply while it runs, without killing it.

A file beside the plan, ``<plan>.control``, or whatever else a function reads::

    {"state": "pause"}
    {"state": "run", "max_requests_per_second": 5}
    {"state": "stop"}

``state`` is ``run`` where it is missing. ``max_requests_per_second`` is a ceiling on top of the learnt pace, one an
hour at the least; there is none where it is missing or null. What cannot be understood, such as a key that there is
not, ends the run in order: somebody wants something else than what goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airflow_provider_jicoo.api.ceiling import Ceiling, rate_problem
from airflow_provider_jicoo.bulk.apply.pace import REFUSED, Pace
from airflow_provider_jicoo.bulk.errors import PlanError
from airflow_provider_jicoo.bulk.files import StorePath, read_bytes


@dataclass(frozen=True)
class Control:
    """What the run is told.

    :param max_requests_per_second: a ceiling on top of the learnt pace, or None.
    """

    state: Literal["run", "pause", "stop"] = "run"
    max_requests_per_second: float | None = None


_KNOWN = {"state", "max_requests_per_second"}
ReadControl = Callable[[], "str | None"]


def control_file(plan: StorePath) -> ReadControl:
    """Return a function that reads the file beside a plan; None where there is none."""
    path: StorePath = plan.parent / f"{plan.name}.control"

    def told() -> str | None:
        try:
            # What is no UTF-8 is no JSON either, which is said where it is parsed.
            return read_bytes(path).decode(errors="replace") if path.exists() else None
        except FileNotFoundError:  # taken away in this moment, so that the run goes on
            return None

    return told


def parse(text: str | None) -> Control:
    """Read what the run is told; nothing means: run.

    :raises PlanError: it cannot be understood.
    """
    if text is None or not text.strip():
        return Control()
    try:
        told = json.loads(text)
        state, ceiling = told.get("state", "run"), told.get("max_requests_per_second")
    except (ValueError, AttributeError, RecursionError):
        raise PlanError(f'control: {text!r:.100} is not JSON such as {{"state": "pause"}}') from None
    if state not in ("run", "pause", "stop"):
        raise PlanError(f"control: state {state!r} is none of run, pause, stop")
    problem = None if ceiling is None else rate_problem(ceiling)
    if problem is not None:
        raise PlanError(f"control: max_requests_per_second {ceiling!r:.100} {problem}")
    for name in told.keys() - _KNOWN:
        raise PlanError(f"control: {name!r:.100} is neither state nor max_requests_per_second")
    return Control(state, ceiling)


class Throttle:
    """A pace with a further ceiling that can be changed while it runs, and a count of what passes.

    :param pace: the pace.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._rate: float | None = None
        self._ceiling = Ceiling(None)
        self.requests = 0
        self.refused = 0

    @property
    def rate(self) -> float | None:
        """The pace now, in requests per second; None while nothing limits it."""
        rate = self._pace.rate
        if self._rate is None:
            return rate
        return self._rate if rate is None else min(rate, self._rate)

    def limit(self, rate: float | None) -> None:
        """Set the ceiling, in requests per second; None for none."""
        if rate != self._rate:
            self._rate, self._ceiling = rate, Ceiling(rate)

    def reserve(self, now: float) -> float:
        """Take the next moment of both."""
        if self._rate is None:
            return self._pace.reserve(now)
        return max(self._pace.reserve(now), self._ceiling.reserve(now))

    def answered(self, status: int | None, retry_after: float | None, sent: float, now: float) -> None:
        """Count, and let the pace learn."""
        self.requests += 1
        self.refused += status in REFUSED
        self._pace.answered(status, retry_after, sent, now)
